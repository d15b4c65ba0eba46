package rest

import (
	"fmt"
	"io"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"

	"github.com/facestudio/facestudio/services/wire"
)

// sparing is JSON of a bounded number of values: three bytes of it are a message
// in a list, which then takes a hundred.
type sparing struct{ *runtime.JSONPb }

// NewDecoder implements runtime.Marshaler.
func (s sparing) NewDecoder(r io.Reader) runtime.Decoder {
	return s.JSONPb.NewDecoder(&values{from: r, left: wire.MaxElements})
}

// values reads JSON and counts what begins a value: brackets, and commas between
// values.
type values struct {
	from io.Reader
	left int
	// text says that the last byte is within a text, escaped that the next one is
	// part of it whatever it is.
	text, escaped bool
}

// Read implements io.Reader.
func (v *values) Read(b []byte) (int, error) {
	n, err := v.from.Read(b)
	for _, c := range b[:n] {
		switch {
		case v.escaped:
			v.escaped = false
		case v.text:
			v.escaped, v.text = c == '\\', c != '"'
		case c == '"':
			v.text = true
		case c == '{' || c == '[' || c == ',':
			v.left--
		}
	}
	if v.left < 0 {
		return 0, fmt.Errorf("the JSON has more than %d values: leave some out", wire.MaxElements)
	}
	return n, err
}
