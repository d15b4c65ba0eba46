// Package config reads what an operator sets, from flags, environment
// variables and an optional file, into the Config structs of the packages, and
// reports everything that is wrong at once, by name.
//
// A package that can be configured has one Config struct with documented
// fields and implements Section. A setting named "nats-url" is the flag
// --nats-url, the variable FACESTUDIO_NATS_URL and the key nats-url of the
// file. A flag goes before a variable, a variable before the file, the file
// before the default.
package config
