package command

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// DurationVar adds a flag that takes a number of seconds, as docker's own timeouts do, or a duration such as 2m.
func DurationVar(flags *pflag.FlagSet, p *time.Duration, name, short, usage string) {
	flags.VarP((*duration)(p), name, short, usage)
}

type duration time.Duration

// Set reads the flag's value.
func (d *duration) Set(text string) error {
	if n, err := strconv.Atoi(text); err == nil {
		text = strconv.Itoa(n) + "s"
	}
	value, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	if value < 0 {
		return errors.New("a duration is not negative")
	}
	*d = duration(value)
	return nil
}

// Type is what the help calls the value.
func (d *duration) Type() string { return "duration" }

// String is the value in the help, "" for none.
func (d *duration) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}
