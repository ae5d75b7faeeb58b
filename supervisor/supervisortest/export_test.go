package supervisortest

// NoLeaksWithin is NoLeaks with less patience.
var NoLeaksWithin = noLeaks
