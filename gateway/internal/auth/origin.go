package auth

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// forwardedFor is the metadata key of the addresses that a call came through, the
// caller's first. Each hop adds the one that it sees, so that only what trusted
// hops have added is believed. REST adds the address of its connection.
const forwardedFor = "x-forwarded-for"

// siteBits is the part of an IPv6 address that tells subscribers apart: each can
// call from all the addresses that begin with it.
const siteBits = 64

// origin is the address that a call comes from, as far as it can be believed: that
// of the connection, or, when a trusted proxy has it, what that says. It is empty
// where nobody knows.
func origin(ctx context.Context, trusted []netip.Prefix) string {
	md, _ := metadata.FromIncomingContext(ctx)
	hops := strings.FieldsFunc(strings.Join(md.Get(forwardedFor), ","), func(r rune) bool { return r == ',' || r == ' ' })
	if p, ok := peer.FromContext(ctx); ok {
		if tcp, ok := p.Addr.(*net.TCPAddr); ok {
			hops = append(hops, tcp.AddrPort().Addr().String())
		}
	}
	last := ""
	for len(hops) > 0 {
		addr, err := netip.ParseAddr(hops[len(hops)-1])
		if err != nil {
			break
		}
		addr, hops = addr.Unmap().WithZone(""), hops[:len(hops)-1]
		last = siteOf(addr)
		if !within(addr, trusted) {
			break
		}
	}
	return last
}

// siteOf is an address as far as it tells callers apart.
func siteOf(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	prefix, err := addr.Prefix(siteBits)
	if err != nil {
		return addr.String()
	}
	return prefix.String()
}

func within(addr netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// ParseProxies reads addresses and networks (CIDR); it returns the first text that
// is neither.
func ParseProxies(texts []string) (proxies []netip.Prefix, bad string, ok bool) {
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return nil, text, false
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		proxies = append(proxies, prefix.Masked())
	}
	return proxies, "", true
}
