package site

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

var start = &yaml.Node{Line: 1, Column: 1}

// document makes a tree of the file's one yaml document; nil after a mistake.
func (p *parser) document(data []byte) *yaml.Node {
	if bad := firstBadByte(data); bad != nil {
		p.at(bad, "this is not text in UTF-8 — save the file as UTF-8, without control characters")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	doc, err := decode(decoder)
	switch {
	case errors.Is(err, io.EOF), err == nil && isNull(doc.Content[0]):
		p.at(start, "the file is empty — begin with a copy of examples/small/site.yaml")
		return nil
	case err != nil:
		p.notYAML(err)
		return nil
	}
	switch second, err := decode(decoder); {
	case errors.Is(err, io.EOF):
	case err != nil:
		p.notYAML(err)
	default:
		p.at(second, "a second yaml document begins here — a site file is one document: remove the line ---")
	}
	return doc.Content[0]
}

// decode reads the next document. The yaml library has panics of its own for
// input that it did not think of; they are faults of the file, not of ours.
func decode(d *yaml.Decoder) (doc *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	doc = &yaml.Node{}
	if err := d.Decode(doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 {
		return nil, errors.New("yaml: the document has no content")
	}
	return doc, nil
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// notYAML notes an error of the yaml library. It knows no column, and its line
// is now and then the one before.
func (p *parser) notYAML(err error) {
	where := *start
	text := err.Error()
	if m := yamlError.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		if line, err := strconv.Atoi(m[1]); err == nil {
			where.Line = line
		}
	}
	p.at(&where, "this is not yaml: %s — look at this line and the next, at indentation, quotes and brackets", text)
}

// firstBadByte finds what yaml refuses without saying where.
func firstBadByte(data []byte) *yaml.Node {
	at := *start
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1, r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f:
			return &at
		case r == '\n':
			at.Line, at.Column = at.Line+1, 1
		default:
			at.Column++
		}
		data = data[size:]
	}
	return nil
}
