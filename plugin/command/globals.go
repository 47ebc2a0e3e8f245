package command

import "regexp"

// GlobalFlags counts the arguments that are the docker command's own flags, with their values.
func GlobalFlags(args []string) int {
	at := 0
	for at < len(args) && dockerFlag.MatchString(args[at]) {
		if dockerFlagWithValue[args[at]] {
			at++
		}
		at++
	}
	return min(at, len(args))
}

// The docker command's own flags, which stand before the plugin's name.
var (
	dockerFlag          = regexp.MustCompile(`^(-[DcHl]|--(config|context|debug|host|log-level|tls\w*))(=.*)?$`)
	dockerFlagWithValue = map[string]bool{
		"-c": true, "-H": true, "-l": true, "--config": true, "--context": true, "--host": true,
		"--log-level": true, "--tlscacert": true, "--tlscert": true, "--tlskey": true,
	}
)
