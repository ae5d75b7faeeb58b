// Package backup makes the backup that replaces a dead box, and a data directory
// of one. docs/ARCHIVE.md is for those who use it.
//
// A backup holds a snapshot of the store, where the journal was (building, epoch,
// last event), and every secret file of the data directory, all sealed to a
// recovery key. The journal's events are not in it: those are the archive's.
//
// A running daemon makes those that it is asked for and, with a Night, one each
// night, never two at once.
//
// A restored building goes on in the next epoch of its journal, Margin events
// behind the last one that the backup knows of: what the old box recorded after
// the backup had numbers too, and no number may mean two things. It must never run
// beside the old box, so a restore refuses unless it can tell, or is told, that
// the old one is off.
package backup
