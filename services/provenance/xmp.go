package provenance

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	iptcSpace   = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
	recordSpace = "https://github.com/facestudio/facestudio/ns/record/1/"
	xmpSpace    = "http://ns.adobe.com/xap/1.0/"
	rdfSpace    = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	// maxPacket is the longest packet that is read, bytes: far above what Sign
	// writes.
	maxPacket = 1 << 20
)

var (
	sourceName = xml.Name{Space: iptcSpace, Local: "DigitalSourceType"}
	recordName = xml.Name{Space: recordSpace, Local: "Record"}
)

// escape keeps text apart from markup. Quotes may stay: the text stands in no
// attribute, and a record has many.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// end is how a packet ends.
const end = `<?xpacket end="r"?>`

// bare is the XMP packet of a picture whose record was taken out, with spaces up to
// a size, which stand before its end (XMP specification part 1, 7.1).
func bare(source Source, size int) []byte {
	whole := bytes.TrimSuffix(packet(source, ""), []byte(end))
	whole = bytes.Replace(whole, []byte("<facestudio:Record></facestudio:Record>"), nil, 1)
	if n := size - len(whole) - len(end); n > 0 {
		whole = append(whole, bytes.Repeat([]byte(" "), n)...)
	}
	return append(whole, end...)
}

// packet is the XMP packet of a record (XMP specification part 1, 7).
func packet(source Source, record string) []byte {
	return fmt.Appendf(nil, `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>`+
		`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="%s">`+
		`<rdf:Description rdf:about="" xmlns:xmp="%s" xmlns:Iptc4xmpExt="%s" xmlns:facestudio="%s">`+
		`<xmp:CreatorTool>FaceStudio</xmp:CreatorTool>`+
		`<Iptc4xmpExt:DigitalSourceType>%s</Iptc4xmpExt:DigitalSourceType>`+
		`<facestudio:Record>%s</facestudio:Record>`+
		`</rdf:Description></rdf:RDF></x:xmpmeta>`+end,
		rdfSpace, xmpSpace, iptcSpace, recordSpace, escape.Replace(string(source)), escape.Replace(record))
}

// properties returns the simple properties of a packet: elements and attributes
// of rdf:Description, since other programs write either.
func properties(packet []byte) (map[xml.Name]string, error) {
	found := map[xml.Name]string{}
	decoder := xml.NewDecoder(bytes.NewReader(packet))
	description := xml.Name{Space: rdfSpace, Local: "Description"}
	var open []xml.Name
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read XMP: %w", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if len(open) == maxDepth {
				return nil, fmt.Errorf("read XMP: more than %d elements within each other", maxDepth)
			}
			open = append(open, token.Name)
			if token.Name != description {
				continue
			}
			for _, a := range token.Attr {
				found[a.Name] = a.Value
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if n := len(open); n >= 2 && open[n-2] == description {
				found[open[n-1]] += string(token)
			}
		}
	}
}

// maxDepth bounds the elements within each other.
const maxDepth = 32
