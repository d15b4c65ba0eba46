package outbound

import "net/netip"

// prefixes parses a list of prefixes that stand in this file.
func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, text := range list {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// denied4 are the IPv4 addresses that are not of the public internet, by IANA's
// registry of special-purpose addresses, and the one public address that is a
// cloud's own service to its machines.
var denied4 = prefixes(
	"0.0.0.0/8",          // this network
	"10.0.0.0/8",         // private
	"100.64.0.0/10",      // shared by carriers; a cloud's metadata
	"127.0.0.0/8",        // loopback
	"168.63.129.16/32",   // Azure's platform
	"169.254.0.0/16",     // link-local; clouds' metadata
	"172.16.0.0/12",      // private
	"192.0.0.0/24",       // protocol assignments
	"192.0.2.0/24",       // documentation
	"192.88.99.0/24",     // 6to4 relays
	"192.168.0.0/16",     // private
	"198.18.0.0/15",      // benchmarks
	"198.51.100.0/24",    // documentation
	"203.0.113.0/24",     // documentation
	"224.0.0.0/4",        // multicast
	"240.0.0.0/4",        // reserved
	"255.255.255.255/32", // broadcast
)

// global6 is what is given out of IPv6 for the public internet, and denied6 what
// is not, all the same.
var (
	global6 = netip.MustParsePrefix("2000::/3")
	denied6 = prefixes(
		"2001::/23",     // protocol assignments, with Teredo
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4: any IPv4 address
		"3fff::/20",     // documentation
	)
	// nat64 has public IPv4 addresses in its last four bytes, as a network without
	// IPv4 reaches them (RFC 6052).
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

// Public tells whether an address is one of the public internet, in whatever form
// it is written. What it does not know is not.
func Public(ip netip.Addr) bool {
	if !ip.IsValid() || ip.Zone() != "" {
		return false
	}
	ip = ip.Unmap()
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	denied := denied4
	if ip.Is6() {
		if !global6.Contains(ip) {
			return false
		}
		denied = denied6
	}
	for _, p := range denied {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
