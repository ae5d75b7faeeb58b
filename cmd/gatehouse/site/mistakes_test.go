package site

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// mark stands in an edited text where a message must point. It is taken out
// before the text is parsed.
const mark = "§"

// mistakeCase is testdata/good.yaml with one text in it (which is there once)
// replaced by another, and the messages that must come of it, one for each mark.
type mistakeCase struct {
	name     string
	old, new string
	want     []string
}

// apply gives the edited file and the mistakes that are due.
func (c mistakeCase) apply(t testing.TB) (string, Mistakes) {
	t.Helper()
	good := goodFile(t)
	if n := strings.Count(good, c.old); n != 1 {
		t.Fatalf("%q is %d times in good.yaml, want once", c.old, n)
	}
	text := strings.Replace(good, c.old, c.new, 1)
	var want Mistakes
	for _, message := range c.want {
		before, after, found := strings.Cut(text, mark)
		if !found {
			t.Fatalf("no mark for %q", message)
		}
		last := before[strings.LastIndex(before, "\n")+1:]
		want = append(want, Mistake{"site.yaml", strings.Count(before, "\n") + 1, utf8.RuneCountInString(last) + 1, message})
		text = before + after
	}
	if strings.Contains(text, mark) {
		t.Fatal("more marks than messages")
	}
	return text, want
}

const idExpected = "expected an id of a-z, 0-9, '.', '_' and '-', at most 64 characters, beginning with a letter or digit"

var mistakeCases = []mistakeCase{
	// keys
	{"unknown key", "name: Front Door", "§colour: red", []string{`unknown key "colour" — a door has: id, name, lock_type, egress, fire_release, lock, contact, rex, tamper, readers, strike_time_ms, held_open_time_ms, record_limit_ms, decision_deadline_ms, area_timeout_ms, area_verdict`}},
	{"misspelled key that must be there", "lock: rig/lab-lock", "§lokc: rig/lab-lock", []string{`unknown key "lokc" — did you mean "lock"?`}},
	{"misspelled section, with a mistake in it", "areas:\n  - {id: hall, name: Entrance Hall}", "§aeras:\n  - {id: hall, name: §5}", []string{`unknown key "aeras" — did you mean "areas"?`, "name: expected text (put it in quotes), got the number 5"}},
	{"misspelled key beside the right one", "lock: rig/lab-lock", "lock: rig/lab-lock\n    §lcok: 5", []string{`unknown key "lcok" — did you mean "lock"?`}},
	{"key twice", "lock: rig/lab-lock", "lock: rig/lab-lock\n    §lock: rig/x", []string{`"lock" is here twice, first at line 48 — keep one of them`}},
	{"key that is a list", "name: Front Door", "? §[a]\n    : b", []string{`a key must be one word, got a list — a door has: id, name, lock_type, egress, fire_release, lock, contact, rex, tamper, readers, strike_time_ms, held_open_time_ms, record_limit_ms, decision_deadline_ms, area_timeout_ms, area_verdict`}},
	{"key without a value", "name: Front Door", "§name:", []string{`"name" has no value — write one or remove the line`}},
	{"section without a value", "  inputs: [rig/fire]", "  §inputs:", []string{`"inputs" has no value — write one or remove the line`}},
	{"merge key", "name: Front Door", "§<<: {name: x}", []string{`unknown key "<<" — a door has: id, name, lock_type, egress, fire_release, lock, contact, rex, tamper, readers, strike_time_ms, held_open_time_ms, record_limit_ms, decision_deadline_ms, area_timeout_ms, area_verdict`}},

	// building, http, defaults
	{"building missing", "building: {id: hq, name: Head Office, time_zone: Europe/Berlin}\nhttp", "§http", []string{`a site file without "building" — add a line building: {id: my-building, time_zone: UTC}`}},
	{"building id missing", "{id: hq, ", "§{", []string{`a building without "id" — add a line id: my-building`}},
	{"building id in capitals", "{id: hq", "{id: §HQ", []string{"id: " + idExpected + `, got the text "HQ"`}},
	{"time zone unknown", "Europe/Berlin", "§Europe/Berlyn", []string{`time_zone: expected an IANA time zone such as Europe/Berlin or UTC, got the text "Europe/Berlyn"`}},
	{"time zone of the machine", "Europe/Berlin", "§Local", []string{`time_zone: expected an IANA time zone such as Europe/Berlin or UTC, got the text "Local"`}},
	{"time zone is a path", "Europe/Berlin", "§../etc", []string{`time_zone: expected an IANA time zone such as Europe/Berlin or UTC, got the text "../etc"`}},
	{"name is a number", "name: Head Office", "name: §12", []string{"name: expected text (put it in quotes), got the number 12"}},
	{"name with a terminal escape", "name: Head Office", `name: §"a\x1b[2J"`, []string{"name: expected 1 to 200 characters on one line, without control characters"}},
	{"beyond loopback", "127.0.0.1:9000", "§0.0.0.0:9000", []string{`addr: "0.0.0.0:9000" can be reached from other machines, which needs TLS, and this version has none yet — use a loopback address such as 127.0.0.1:8480`}},
	{"every interface", "127.0.0.1:9000", `§":9000"`, []string{`addr: ":9000" can be reached from other machines, which needs TLS, and this version has none yet — use a loopback address such as 127.0.0.1:8480`}},
	{"address without a port", "127.0.0.1:9000", "§localhost", []string{`addr: "localhost" is not host:port — write it as in 127.0.0.1:8480`}},
	{"port too high", "127.0.0.1:9000", "§localhost:90000", []string{`addr: "localhost:90000" has no port from 0 to 65535 — write it as in 127.0.0.1:8480`}},
	{"pprof beyond loopback", `"localhost:6060"`, `§"10.0.0.1:6060"`, []string{`pprof_addr: "10.0.0.1:6060" can be reached from other machines, which needs TLS, and this version has none yet — use a loopback address such as 127.0.0.1:8480`}},
	{"pprof on the same port", `"localhost:6060"`, `§"127.0.0.1:9000"`, []string{"pprof_addr is the same as addr — give it a port of its own"}},
	{"host with a port", "gate.example.org", "§gate.example.org:80", []string{`hosts: expected a host name in lower case, without a port, got the text "gate.example.org:80"`}},
	{"hosts not a list", "[gate.example.org]", "§gate.example.org", []string{`hosts: expected a list of host names, got the text "gate.example.org"`}},
	{"strike too short", "strike_time_ms: 4000", "strike_time_ms: §199", []string{"strike_time_ms: expected a whole number from 200 to 600000 (plain digits, no quotes), got the number 199"}},
	{"held open too long", "held_open_time_ms: 20000", "held_open_time_ms: §600001", []string{"held_open_time_ms: expected a whole number from 1 to 600000 (plain digits, no quotes), got the number 600001"}},
	{"record limit zero", "record_limit_ms: 200", "record_limit_ms: §0", []string{"record_limit_ms: expected a whole number from 1 to 600000 (plain digits, no quotes), got the number 0"}},
	{"deadline too short", "decision_deadline_ms: 500", "decision_deadline_ms: §19", []string{"decision_deadline_ms: expected a whole number from 20 to 600000 (plain digits, no quotes), got the number 19"}},
	{"duration negative", "area_timeout_ms: 50", "area_timeout_ms: §-50", []string{"area_timeout_ms: expected a whole number from 1 to 600000 (plain digits, no quotes), got the number -50"}},
	{"duration with a unit", "strike_time_ms: 3000", "strike_time_ms: §3s", []string{`strike_time_ms: expected a whole number from 200 to 600000 (plain digits, no quotes), got the text "3s"`}},
	{"duration in quotes", "strike_time_ms: 3000", `strike_time_ms: §"3000"`, []string{`strike_time_ms: expected a whole number from 200 to 600000 (plain digits, no quotes), got the text "3000"`}},
	{"duration in octal", "strike_time_ms: 3000", "strike_time_ms: §03000", []string{"strike_time_ms: expected a whole number from 200 to 600000 (plain digits, no quotes), got the number 03000"}},
	{"verdict unknown", "area_verdict: granted", "area_verdict: §maybe", []string{`area_verdict: expected one of denied, granted, got the text "maybe"`}},

	// journal, archive
	{"segment of nothing", "segment_mb: 16", "segment_mb: §0", []string{"segment_mb: expected a whole number from 1 to 1024 (plain digits, no quotes), got the number 0"}},
	{"durability unknown", "durability: group", "durability: §none", []string{`durability: expected one of before_unlock, group, got the text "none"`}},
	{"retention as a number", "retention: {days: 90, max_mb: 4096, min_free_mb: 512}", "retention: §90", []string{"retention: expected a retention with key: value lines, got the number 90"}},
	{"retention with a unit", "max_mb: 4096", "max_mb: §4GB", []string{`max_mb: expected a whole number from 1 to 1073741824 (plain digits, no quotes), got the text "4GB"`}},
	{"archive in a relative directory", "dir: /srv/archive", "dir: §archive", []string{`dir: expected an absolute path such as /srv/archive, got the text "archive"`}},
	{"archive without a directory", "archive:\n  dir: /srv/archive\n  at", "archive:\n  §at", []string{`the archive section without "dir" — add a line dir: /srv/archive`}},
	{"archive at no time", `"30 1 * * *"`, "§2", []string{`at: expected five fields of cron in quotes, such as "0 2 * * *", got the number 2`}},
	{"archive on a day that never is", `"30 1 * * *"`, `§"0 2 31 2 *"`, []string{`at: no schedule: "0 2 31 2 *" names a day that no month has; write five fields (minute, hour, day of the month, month, day of the week), such as "0 2 * * *"`}},
	{"archive for nobody", "recipients: [age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg]", "recipients: §[]", []string{"0 recipients — give 1 to 20: the private key of one of them opens the archive"}},
	{"archive for a key that is none", "[age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg]", "[§age1x]", []string{`recipients: expected a public key age1... of gatehouse archive keygen or age-keygen, got the text "age1x"`}},
	{"archive for a private key, which is not shown", "[age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg]", "[§AGE-SECRET-KEY-1QQQ]", []string{"recipients: this is a private key, which does not belong here — give the public one, age1..., and keep this one off this machine"}},
	{"archive for one key twice", "qqvfafg]", "qqvfafg, §age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg]", []string{`the recipient "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfa…" is here twice — keep one of them`}},
	{"archive with a rate in words", "rate_mb_per_s: 20", "rate_mb_per_s: §fast", []string{`rate_mb_per_s: expected a whole number from 1 to 10000 (plain digits, no quotes), got the text "fast"`}},
	{"backup in a relative directory", "dir: /srv/backup", "dir: §backup", []string{`dir: expected an absolute path such as /srv/archive, got the text "backup"`}},
	{"backup without a directory", "backup:\n  dir: /srv/backup\n  at", "backup:\n  §at", []string{`the backup section without "dir" — add a line dir: /srv/backup`}},
	{"backup at no time", `"45 3 * * *"`, "§2", []string{`at: expected five fields of cron in quotes, such as "0 2 * * *", got the number 2`}},
	{"backup at a time with six fields", `"45 3 * * *"`, `§"0 45 3 * * *"`, []string{`at: no schedule: "0 45 3 * * *": expected exactly 5 fields, found 6: [0 45 3 * * *]; write five fields (minute, hour, day of the month, month, day of the week), such as "0 2 * * *"`}},
	{"backup for nobody", "recipients: [age1kvvgypu5qjuufmf4v9pse2zz6jys2qrcs7q0luqas56uvlhc2c4quk3klp]", "recipients: §[]", []string{"0 recipients — give 1 to 20: the private key of one of them opens the backup"}},
	{"backup that keeps none", "keep: 14", "keep: §0", []string{"keep: expected a whole number from 1 to 1000 (plain digits, no quotes), got the number 0"}},
	{"health checks too often", "every_s: 60", "every_s: §4", []string{"every_s: expected a whole number from 5 to 3600 (plain digits, no quotes), got the number 4"}},
	{"health checks that take too long", "limit_ms: 10000", "limit_ms: §30001", []string{"limit_ms is 30001, more than half of every_s — give 30000 at most, so that a check is over before the next"}},
	{"health with another key", "limit_ms: 10000", "§timeout: 1", []string{`unknown key "timeout" — the health section has: every_s, limit_ms`}},
	{"memory limit too small", "limit_mb: 512", "limit_mb: §63", []string{"limit_mb: expected a whole number from 64 to 1048576 (plain digits, no quotes), got the number 63"}},
	{"memory limit with a unit", "limit_mb: 512", "limit_mb: §512MiB", []string{`limit_mb: expected a whole number from 64 to 1048576 (plain digits, no quotes), got the text "512MiB"`}},
	{"thresholds in the site file", "limit_mb: 512", "§thresholds: {}", []string{`unknown key "thresholds" — the memory section has: limit_mb`}},
	{"flight recorder that is no truth value", "flight_recorder: false", "flight_recorder: §off", []string{`flight_recorder: expected true or false, got the text "off"`}},
	{"backup with a key of the archive's", "keep: 14", "§rate_mb_per_s: 14", []string{`unknown key "rate_mb_per_s" — the backup section has: dir, at, recipients, keep`}},

	// devices
	{"device twice", "{id: spare, driver: virtual, optional: true}", "{id: spare, driver: virtual}\n  - {id: §rig, driver: virtual}", []string{`the device "rig" is declared twice, first at line 15 — give one of them another id`}},
	{"device without a driver", "{id: spare, driver: virtual, optional: true}", "§{id: spare}", []string{`a device without "driver" — add a line driver: virtual`}},
	{"truth in other words", "optional: true", "optional: §yes", []string{`optional: expected true or false, got the text "yes"`}},
	{"option that is a list", "seed: 7", "seed: §[7]", []string{`option "seed": expected one value, got a list`}},
	{"option twice", "seed: 7", "seed: 7, §seed: 8", []string{`"seed" is here twice, first at line 17 — keep one of them`}},
	{"option with a number for a name", "seed: 7", "§7: 7", []string{"the name of an option must be text, got the number 7 — put it in quotes"}},
	{"options as text", `{seed: 7, label: "front", loud: true}`, "§seed=7", []string{`options: expected options with key: value lines, got the text "seed=7"`}},

	// areas
	{"area twice", "- {id: lab}", "- {id: lab}\n  - {id: §lab}", []string{`the area "lab" is declared twice, first at line 21 — give one of them another id`}},
	{"area outside", "- {id: lab}", "- {id: lab}\n  - {id: §outside}", []string{`the area "outside" is always there — do not declare it, or choose another id`}},
	{"area is text", "- {id: lab}", "- {id: lab}\n  - §attic", []string{`areas: expected an area with key: value lines, got the text "attic"`}},
	{"areas not a list", "areas:\n  - {id: hall, name: Entrance Hall}\n  - {id: lab}", "areas: §{id: hall}", []string{"areas: expected a list of areas, got key: value lines"}},

	// doors
	{"no doors", "fire:", "§doors: []\nfire:", []string{`"doors" is here twice, first at line 22 — keep one of them`}},
	{"door twice", "  - id: lab\n    lock_type", "  - id: §front\n    lock_type", []string{`the door "front" is declared twice, first at line 23 — give one of them another id`}},
	{"door without a lock", "  - id: lab\n    lock_type: fail_secure\n    egress: mechanical\n    held_open_time_ms: 60000\n    record_limit_ms: 150\n    area_timeout_ms: 100\n    area_verdict: denied\n    lock: rig/lab-lock\n", "  - §id: lab\n    lock_type: fail_secure\n    egress: mechanical\n", []string{`a door without "lock" — add a line lock: device/part (the device and its part that moves the lock)`}},
	{"lock type unknown", "lock_type: fail_safe", "lock_type: §fail-safe", []string{`lock_type: expected one of fail_secure, fail_safe, got the text "fail-safe"`}},
	{"egress unknown", "egress: mechanical", "egress: §push", []string{`egress: expected one of none, rex, mechanical, hardwired, got the text "push"`}},
	{"egress by a rex that is not there", "egress: mechanical", "egress: §rex", []string{"egress is by rex but no rex is wired — add a line rex: device/part, or correct the egress"}},
	{"fire release is a number", "fire_release: true", "fire_release: §1", []string{"fire_release: expected true or false, got the number 1"}},
	{"lock of an unknown device", "rig/lab-lock", "§rgi/lab-lock", []string{`there is no device "rgi" — did you mean "rig"?`}},
	{"lock of a device like no other", "rig/lab-lock", "§pump/lab-lock", []string{`there is no device "pump" — declare it, or name one that is declared`}},
	{"lock without a part", "rig/lab-lock", "§rig", []string{`lock: expected device/part, such as rig/entrance, got the text "rig"`}},
	{"lock with an empty part", "rig/lab-lock", "§rig/", []string{`lock: expected device/part, such as rig/entrance, got the text "rig/"`}},
	{"lock is a list", "lock: rig/lab-lock", "lock: §[rig/lab-lock]", []string{"lock: expected device/part, such as rig/entrance, got a list"}},
	{"lock used twice", "rig/lab-lock", "§rig/front-lock", []string{`"rig/front-lock" is used twice, first as the lock at line 30 — every lock needs a part of its own`}},
	{"contact used twice", "lock: rig/lab-lock", "lock: rig/lab-lock\n    contact: §rig/front-contact", []string{`"rig/front-contact" is used twice, first as the contact at line 31 — every contact needs a part of its own`}},
	{"contact that is a rex", "lock: rig/lab-lock", "lock: rig/lab-lock\n    contact: §rig/front-rex", []string{`"rig/front-rex" is used twice, first as the rex at line 32 — every contact needs a part of its own`}},
	{"tamper that is a rex", "lock: rig/lab-lock", "lock: rig/lab-lock\n    tamper: §rig/front-rex", []string{`"rig/front-rex" is used twice, first as the rex at line 32 — every tamper needs a part of its own`}},
	{"rex of two doors", "egress: mechanical", "egress: mechanical\n    rex: rig/front-rex\n    §colour: red", []string{`unknown key "colour" — a door has: id, name, lock_type, egress, fire_release, lock, contact, rex, tamper, readers, strike_time_ms, held_open_time_ms, record_limit_ms, decision_deadline_ms, area_timeout_ms, area_verdict`}},
	{"fire input that is a contact", "[rig/fire]", "[§rig/front-contact]", []string{`"rig/front-contact" is used twice, first as the contact at line 31 — every fire input needs a part of its own`}},
	{"fire input twice", "[rig/fire]", "[rig/fire, §rig/fire]", []string{`"rig/fire" is used twice, first as the fire input at line 53 — every fire input needs a part of its own`}},
	{"reader used twice", "device: rig/lab-out", "device: §rig/lab-in", []string{`"rig/lab-in" is used twice, first as the reader at line 50 — every reader needs a part of its own`}},
	{"indicator used twice", "device: rig/lab-out", "device: rig/lab-out, indicator: §rig/front-in", []string{`"rig/front-in" is used twice, first as the indicator at line 37 — every indicator needs a part of its own`}},
	{"doors is text", "doors: [front]", "doors: §front", []string{`doors: expected all or a list of the ids of doors, got the text "front"`}},

	// readers
	{"reader without a side", "{side: in, device: rig/lab-in,", "§{device: rig/lab-in,", []string{`a reader without "side" — add a line side: in (badge to go in) or out (badge to go out)`}},
	{"side unknown", "side: out", "side: §left", []string{`side: expected one of in, out, got the text "left"`}},
	{"reader twice by its id", "id: leave", "id: §in", []string{`the reader "in" is declared twice, first at line 50 — give one of them another id`}},
	{"reader twice by its side", "{id: leave, side: out", "{side: §in", []string{`the reader "in" is declared twice, first at line 50 — give one of them another id`}},
	{"from an unknown area", "from: hall", "from: §hal", []string{`there is no area "hal" — did you mean "hall"?`}},
	{"to an unknown area", "to: lab", "to: §cellar", []string{`there is no area "cellar" — declare it, or name one that is declared`}},
	{"from and to the same", "from: hall, to: lab", "from: lab, to: §lab", []string{`this reader leads from "lab" to the same area — a reader leads from one area to another`}},
	{"only from", "- {side: in, device: rig/lab-in, from: hall, to: lab", "- §{side: in, device: rig/lab-in, from: hall", []string{`a reader with only one of "from" and "to" — give both (the world is "outside"), or none`}},
	{"anti-passback without areas", "from: hall, to: lab, anti_passback: hard", "anti_passback: §hard", []string{`anti_passback without areas — add "from" and "to" to this reader`}},
	{"anti-passback as a truth value", "anti_passback: soft", "anti_passback: §true", []string{"anti_passback: expected one of off, soft, hard, got the truth value true"}},
	{"format unknown", "format: H10301", "format: §H10399", []string{`unknown card format "H10399": use one of H10301, H10306, H10302, H10304, raw`}},

	// schedules and levels
	{"schedule twice", "levels:\n  - id: staff", "  - {id: §office, intervals: []}\nlevels:\n  - id: staff", []string{`the schedule "office" is declared twice, first at line 55 — give one of them another id`}},
	{"schedule always", "levels:\n  - id: staff", "  - {id: §always, intervals: []}\nlevels:\n  - id: staff", []string{`the schedule "always" is always there — do not declare it, or choose another id`}},
	{"day unknown", "[mon, fri]", "[mon, §friday]", []string{`days: expected one of mon, tue, wed, thu, fri, sat, sun, got the text "friday"`}},
	{"day twice", "[mon, fri]", "[mon, fri, §mon]", []string{"mon is in this list twice — remove one"}},
	{"no day", "[mon, fri]", "§[]", []string{"an interval without days — name some, such as [mon, tue]"}},
	{"from after to", `from: "08:00", to: "18:00"`, `from: "22:00", to: §"06:00"`, []string{`"to" is not after "from" — over midnight, write one interval to "24:00" and one from "00:00" on the next day`}},
	{"from equal to to", `from: "08:00", to: "18:00"`, `from: "08:00", to: §"08:00"`, []string{`"to" is not after "from" — over midnight, write one interval to "24:00" and one from "00:00" on the next day`}},
	{"from at the end of the day", `from: "08:00"`, `from: §"24:00"`, []string{`from: expected a time of day from "00:00" to "23:59", got the text "24:00"`}},
	{"to past the end of the day", `to: "24:00"`, `to: §"24:01"`, []string{`to: expected a time of day from "00:00" to "24:00", got the text "24:01"`}},
	{"time of day in one digit", `from: "08:00"`, `from: §"8:00"`, []string{`from: expected a time of day from "00:00" to "23:59" (write "08:00"), got the text "8:00"`}},
	{"intervals overlap", `{days: [mon], from: "18:00", to: "24:00"}`, `§{days: [mon], from: "17:59", to: "24:00"}`, []string{"the interval at line 58 overlaps the one at line 57 on mon — join them or move one"}},
	{"intervals overlap on two days, the earlier below", `{days: [mon], from: "18:00", to: "24:00"}`, `§{days: [fri, mon], from: "07:00", to: "08:01"}`, []string{"the interval at line 58 overlaps the one at line 57 on mon — join them or move one"}},
	{"one interval round two", `{days: [mon], from: "18:00", to: "24:00"}`, "§{days: [mon], from: \"07:00\", to: \"24:00\"}\n      - §{days: [mon], from: \"19:00\", to: \"20:00\"}", []string{"the interval at line 58 overlaps the one at line 57 on mon — join them or move one", "the interval at line 59 overlaps the one at line 58 on mon — join them or move one"}},
	{"level twice", "people:\n", "  - {id: §staff, entries: []}\npeople:\n", []string{`the level "staff" is declared twice, first at line 60 — give one of them another id`}},
	{"level with an unknown door", "doors: [front]", "doors: [§frnot]", []string{`there is no door "frnot" — did you mean "front"?`}},
	{"level with a door twice", "doors: [front]", "doors: [front, §front]", []string{`the door "front" is in this list twice — remove one`}},
	{"level with an unknown schedule", "schedule: office", "schedule: §nights", []string{`there is no schedule "nights" — declare it, or name one that is declared`}},
	{"entry without a schedule", "{doors: all, schedule: always}", "§{doors: all}", []string{`an entry of a level without "schedule" — add a line schedule: always`}},

	// people: no value of theirs is in a message
	{"person twice", "{id: p-2", "{id: §p-1", []string{`the person "p-1" is declared twice, first at line 66 — give one of them another id`}},
	{"person with an unknown level", "levels: [staff]", "levels: [§stuff]", []string{`there is no level "stuff" — did you mean "staff"?`}},
	{"date that is none", "2026-01-01", "§2026-02-30", []string{"valid_from: expected a date such as 2026-01-31 or a time such as 2026-01-31T08:00:00+01:00, got a text (not shown: it is about a person)"}},
	{"date as people write it", "2026-01-01", "§1.2.2026", []string{"valid_from: expected a date such as 2026-01-31 or a time such as 2026-01-31T08:00:00+01:00, got a text (not shown: it is about a person)"}},
	{"time without its offset", "2026-07-01T12:00:00+02:00", "§2026-07-01T12:00:00", []string{"valid_until: expected a date such as 2026-01-31 or a time such as 2026-01-31T08:00:00+01:00, got a text (not shown: it is about a person)"}},
	{"valid until before it begins", "valid_until: 2026-03-01", "valid_until: §2026-02-01", []string{"valid_until is not after valid_from — give a later one (it is the first instant that is not valid any more)"}},
	{"credential twice", "id: c-2", "id: §c-1", []string{`the credential "c-1" is declared twice, first at line 72 — give one of them another id`}},
	{"card twice", "number: 2", "number: §1", []string{"this card (facility and number) is listed twice, first at line 72 — a card belongs to one person: correct one of them"}},
	{"card number zero", "number: 2", "number: §0", []string{"number: expected a whole number from 1 to 18446744073709551615 (plain digits, no quotes), got a number (not shown: it is about a person)"}},
	{"card number with zeros before it", "number: 2", "number: §00042", []string{"number: expected a whole number from 1 to 18446744073709551615 (plain digits, no quotes), got a number (not shown: it is about a person)"}},
	{"card number past any", "number: 2", "number: §99999999999999999999", []string{"number: expected a whole number from 1 to 18446744073709551615 (plain digits, no quotes), got a number (not shown: it is about a person)"}},
	{"facility past any", "facility: 9, number: 2", "facility: §4294967296, number: 2", []string{"facility: expected a whole number from 0 to 4294967295 (plain digits, no quotes), got a number (not shown: it is about a person)"}},
	{"credential without a card", "{id: c-1, facility: 9, number: 1}", "§{id: c-1, facility: 9}", []string{`a credential without "number" — add a line number: 1`}},

	// yaml that site files do not have
	{"alias", "lock_type: fail_secure\n    egress: mechanical", "lock_type: &x fail_secure\n    egress: §*x", []string{"egress: expected one of none, rex, mechanical, hardwired, got an alias, which site files do not have (write the value out)"}},
	{"second document", "people:\n", "§---\npeople:\n", []string{"a second yaml document begins here — a site file is one document: remove the line ---"}},
	{"tagged value", "name: Front Door", "name: §!x Front Door", []string{"name: expected text (put it in quotes), got the tagged value Front Door"}},
}

func TestEveryMistakeHasItsPlaceAndWords(t *testing.T) {
	for _, c := range mistakeCases {
		t.Run(c.name, func(t *testing.T) {
			text, want := c.apply(t)
			site, err := Parse("site.yaml", []byte(text))
			if diff := cmp.Diff(error(want), err); diff != "" || site != nil {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}

// wholeFiles are texts that are wrong as a whole.
var wholeFiles = []struct {
	name, text, want string
}{
	{"empty", "", "site.yaml:1:1: the file is empty — begin with a copy of examples/small/site.yaml"},
	{"only a comment", "# nothing\n", "site.yaml:1:1: the file is empty — begin with a copy of examples/small/site.yaml"},
	{"only a document", "---\n...\n", "site.yaml:1:1: the file is empty — begin with a copy of examples/small/site.yaml"},
	{"a list", "\n- a\n", "site.yaml:2:1: expected a site file with key: value lines, got a list"},
	{"text", "hello", `site.yaml:1:1: expected a site file with key: value lines, got the text "hello"`},
	{"not yaml", "building:\n  id: x\n   name: y\n", "site.yaml:3:1: this is not yaml: mapping values are not allowed in this context — look at this line and the next, at indentation, quotes and brackets"},
	{"a tab", "doors:\n\t- id: x\n", "site.yaml:2:1: this is not yaml: found character that cannot start any token — look at this line and the next, at indentation, quotes and brackets"},
	{"unknown anchor", "a: *b\n", "site.yaml:1:1: this is not yaml: unknown anchor 'b' referenced — look at this line and the next, at indentation, quotes and brackets"},
	{"an alias within itself", "&a [*a]", "site.yaml:1:1: expected a site file with key: value lines, got a list"},
	{"not UTF-8", "building:\n  name: M\xfcnchen\n", "site.yaml:2:10: this is not text in UTF-8 — save the file as UTF-8, without control characters"},
	{"a control character", "a: b\x00\n", "site.yaml:1:5: this is not text in UTF-8 — save the file as UTF-8, without control characters"},
	{"a broken second document", "[]\n---\nb: [\n", "site.yaml:1:1: expected a site file with key: value lines, got a list\nsite.yaml:3:1: this is not yaml: did not find expected node content — look at this line and the next, at indentation, quotes and brackets"},
	{"an alias", "building: &b {id: hq, time_zone: UTC}\ndevices: [{id: rig, driver: virtual}]\ndoors: [{id: *b, lock_type: fail_secure, egress: mechanical, lock: rig/d}]\n", `site.yaml:3:14: id: ` + idExpected + ` (put it in quotes), got an alias, which site files do not have (write the value out)`},
	{"no doors", "building: {id: hq, time_zone: UTC}\ndevices: []\ndoors: []\n", "site.yaml:3:8: a building without doors — list at least one"},
}

func TestFilesWrongAsAWhole(t *testing.T) {
	for _, c := range wholeFiles {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("site.yaml", []byte(c.text))
			if err == nil {
				t.Fatal("accepted")
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}
