package site

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"go.yaml.in/yaml/v3"

	"gatehouse/access"
	"gatehouse/devices"
)

// maxSize bounds a site file, in bytes: a wrong path must not fill the memory.
const maxSize = 64 << 20

// Site is a site file without mistakes. Lists keep the order of the file.
type Site struct {
	Building    Building
	HTTP        HTTP
	Journal     Journal
	Archive     Archive
	Backup      Backup
	Health      Health
	Links       Links
	Memory      Memory
	Diagnosis   Diagnosis
	Rules       access.Rules // Version is 0: whoever keeps the rules numbers them
	Holders     []access.Cardholder
	Credentials []access.Credential
	Devices     []devices.Config
	Wiring      []Wiring // one for each of Rules.Doors, in the same order
	FireInputs  []string // device/part each
	// Warnings are what is allowed but likely not meant.
	Warnings Mistakes
}

// Building names the building. TimeZone is an IANA name, never empty.
type Building struct {
	ID       string
	Name     string
	TimeZone string
}

// HTTP says where the daemon listens. Addr is a loopback host:port, PprofAddr
// likewise or empty for off. Hosts are further Host names that requests may
// carry, in lower case and without a port.
type HTTP struct {
	Addr      string
	Hosts     []string
	PprofAddr string
}

// Wiring says which parts of which devices make up a door. A part is written
// device/part; an empty one is not wired. Lock is never empty.
type Wiring struct {
	Door    access.DoorID
	Lock    string
	Contact string
	REX     string
	Tamper  string
	Readers []ReaderWiring // one for each of the door's readers, in the same order
}

// ReaderWiring is the part that reads and the part that shows, if there is one.
type ReaderWiring struct {
	Reader    access.ReaderID
	Device    string
	Indicator string
}

// Load reads the file at path, once, and parses it. It returns the system's
// error (fs.ErrNotExist, fs.ErrPermission and so on, wrapped) when the file
// cannot be read, and Mistakes when it is not a good site file.
//
// With drivers, every device must be of one of them, and its options and parts
// are checked as far as the driver can tell without hardware.
func Load(path string, drivers ...devices.Driver) (*Site, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer func() { _ = f.Close() }() // only read: closing can lose nothing
	if info, err := f.Stat(); err == nil && info.Size() > maxSize {
		return nil, tooLarge(path) // not worth reading
	}
	var data bytes.Buffer // what has no size beforehand, a pipe, is bounded as well
	if _, err := data.ReadFrom(io.LimitReader(f, maxSize+1)); err != nil {
		return nil, unreadable(path, err)
	}
	return Parse(path, data.Bytes(), drivers...)
}

func unreadable(path string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err // its text names the path, which ours does already
	}
	return fmt.Errorf("%s: cannot be read: %w — give the path of a site file that this user may read", path, err)
}

// Parse makes a Site of a file's content; name is what messages call the file.
// Its error, if any, is of type Mistakes and holds every mistake found. Drivers as
// in Load.
func Parse(name string, data []byte, drivers ...devices.Driver) (*Site, error) {
	if len(data) > maxSize {
		return nil, tooLarge(name)
	}
	p := newParser(name)
	if len(drivers) > 0 {
		p.known = devices.NewRegistry(drivers...)
	}
	if root := p.document(data); root != nil {
		p.root(root)
	}
	p.mistakes.sort()
	p.site.Warnings.sort()
	if len(p.mistakes) > 0 {
		return nil, p.mistakes
	}
	return p.site, nil
}

func tooLarge(name string) error {
	return Mistakes{{name, 1, 1, fmt.Sprintf("the file is larger than %d MiB — give a site file; import many people instead of listing them", maxSize>>20)}}
}

// parser walks the tree of a file and gathers the Site and the mistakes.
type parser struct {
	file     string
	site     *Site
	mistakes Mistakes
	key      string // of the value being read, for messages
	// private: what is being read is personal and stays out of messages.
	private bool

	zone     *time.Location
	defaults access.Door // the timing that a door has unless it says otherwise

	devices, areas, doors, schedules, levels *names
	people, credentials                      *names
	cards                                    map[access.Card]*yaml.Node
	parts                                    map[partKey]claim
	known                                    *devices.Registry        // nil: nothing is known of drivers
	inventory                                map[string]devices.Parts // of the devices that were checked; nil: its driver cannot tell
	formats                                  map[string]access.Format // of any reader
}

func newParser(file string) *parser {
	return &parser{
		file:        file,
		site:        &Site{HTTP: HTTP{Addr: defaultAddr}, Journal: Journal{SegmentMB: defaultSegmentMB}, Health: defaultHealth},
		zone:        time.UTC,
		defaults:    defaultTiming,
		devices:     newNames("device"),
		areas:       newNames("area", string(access.Outside)),
		doors:       newNames("door"),
		schedules:   newNames("schedule", string(access.Always)),
		levels:      newNames("level"),
		people:      newNames("person"),
		credentials: newNames("credential"),
		cards:       map[access.Card]*yaml.Node{},
		parts:       map[partKey]claim{},
		inventory:   map[string]devices.Parts{},
		formats:     map[string]access.Format{},
	}
}

// root reads the sections in the order in which they refer to one another,
// whatever order the file has them in.
func (p *parser) root(n *yaml.Node) {
	p.object(
		n, "a site file",
		field{"building", "{id: my-building, time_zone: UTC}", p.building},
		field{"http", "", p.http},
		field{"journal", "", p.journal},
		field{"archive", "", p.archive},
		field{"backup", "", p.backup},
		field{"health", "", p.health},
		field{"links", "", p.links},
		field{"memory", "", p.memory},
		field{"diagnosis", "", p.diagnosis},
		field{"defaults", "", p.timing},
		field{"devices", "[{id: rig, driver: virtual}]", p.declarations(p.devices, "devices", p.device)},
		field{"areas", "", p.declarations(p.areas, "areas", p.area)},
		field{"doors", "and list the doors under it", p.doorList},
		field{"fire", "", p.fire},
		field{"schedules", "", p.declarations(p.schedules, "schedules", p.schedule)},
		field{"levels", "", p.declarations(p.levels, "levels", p.level)},
		field{"people", "", p.declarations(p.people, "people", p.person)},
	)
	if b := &p.site.Backup; len(b.Recipients) == 0 {
		b.Recipients = p.site.Archive.Recipients
	}
	p.checkFire(n)
}

// at notes a mistake at a node.
func (p *parser) at(n *yaml.Node, format string, args ...any) {
	p.mistakes = append(p.mistakes, p.mistake(n, format, args...))
}

// warn notes something that is allowed but likely not meant.
func (p *parser) warn(n *yaml.Node, format string, args ...any) {
	p.site.Warnings = append(p.site.Warnings, p.mistake(n, format, args...))
}

func (p *parser) mistake(n *yaml.Node, format string, args ...any) Mistake {
	return Mistake{p.file, n.Line, n.Column, fmt.Sprintf(format, args...)}
}
