//go:build !linux

package egress

func releasePages() {}
