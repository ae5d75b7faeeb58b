package daemon

import "errors"

// close gives back what was opened, in reverse.
func (d *Daemon) close() error {
	errs := []error{d.closeData()}
	if d.Registry != nil {
		errs = append(errs, d.Registry.Close())
	}
	if d.unlock != nil {
		errs = append(errs, d.unlock())
	}
	return errors.Join(errs...)
}

// closeData closes what lies in the data directory.
func (d *Daemon) closeData() error {
	var errs []error
	if d.archive != nil {
		errs = append(errs, d.archive.Close())
	}
	if d.journal != nil {
		errs = append(errs, d.journal.Close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}
