package rest

import (
	"net/url"
	"unicode/utf8"

	"github.com/facestudio/facestudio/services/fault"
)

// checkAddress refuses an address with a text that is not UTF-8: no message can
// carry it.
func checkAddress(u *url.URL) error {
	if !utf8.ValidString(u.Path) {
		return fault.InvalidField("", "the address is not UTF-8: percent-encode the bytes of its UTF-8 form")
	}
	for name, values := range u.Query() {
		if err := checkText("", name); err != nil {
			return err
		}
		for _, value := range values {
			if err := checkText(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkText refuses a text of a field that is not UTF-8.
func checkText(field, text string) error {
	if utf8.ValidString(text) {
		return nil
	}
	return fault.InvalidField(field, "%.40q is not UTF-8: encode it so", text)
}
