package sheet

import (
	"strings"

	"golang.org/x/image/font"
)

// wrap breaks a label into at most maxLines lines of a width; what does not
// fit ends in an ellipsis.
func wrap(d *font.Drawer, label string, width int) []string {
	fits := func(text string) bool { return d.MeasureString(text).Ceil() <= width }
	var lines []string
	words := strings.Fields(label)
	for len(words) > 0 && len(lines) < maxLines {
		line := words[0]
		words = words[1:]
		for len(words) > 0 && fits(line+" "+words[0]) {
			line += " " + words[0]
			words = words[1:]
		}
		lines = append(lines, line)
	}
	for i, line := range lines {
		cut := i == len(lines)-1 && len(words) > 0
		for runes := []rune(line); len(runes) > 0 && (cut || !fits(line)); {
			if fits(string(runes) + "…") {
				line = string(runes) + "…"
				break
			}
			runes = runes[:len(runes)-1]
		}
		lines[i] = line
	}
	return lines
}
