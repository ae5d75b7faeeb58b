package main

import "errors"

type incidentCmd struct{}

// Run is filled in by the next commits.
func (*incidentCmd) Run(*process) error { return errors.New("not built yet") }

type columnCmd struct{}

func (*columnCmd) Run(*process) error { return errors.New("not built yet") }
