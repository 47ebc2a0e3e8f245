package trust

import (
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/host"
)

// user are the variables of a user.
var user = NewMask(map[string]string{
	"TOKEN": `se"c<ret`, "DATA": "/home/dev/data", "MORE": "/home/dev/data/more", "SHORT": "dev", "HOME": "/home/dev",
})

func TestValuesOfVariablesAreRecordedByName(t *testing.T) {
	t.Parallel()
	const token = `se"c<ret`
	p := &types.Project{
		Services: types.Services{"web": {
			Volumes: []types.ServiceVolumeConfig{
				{Type: types.VolumeTypeBind, Source: "/home/dev/data/more/x", Target: "/x"},
				{Type: types.VolumeTypeBind, Source: "/dev/shm", Target: "/y"},
			},
			Labels:      types.Labels{"traefik.token": token, "ofelia.enabled": ""},
			Logging:     &types.LoggingConfig{Driver: "splunk", Options: types.Options{"splunk-token": token}},
			SecurityOpt: []string{"seccomp=/home/dev/data/seccomp.json"},
			Image:       "x/" + token, Build: &types.BuildConfig{CacheTo: []string{"type=s3,secret=" + token}},
		}},
		Volumes: types.Volumes{"nas": {DriverOpts: types.Options{"o": "password=" + token, "device": "//nas/$share"}}},
	}
	lines := HostAccess(p, host.RealPath, Folders{Tree: t.TempDir()}, user)
	for _, line := range lines {
		assert.Check(t, !strings.Contains(line, "c<ret") && !strings.Contains(line, "u003c"), line)
	}
	assert.DeepEqual(t, lines, []string{
		"service web has labels: ofelia.enabled=", `service web has labels: traefik.token=${TOKEN}`,
		`service web has logging.options: {"splunk-token":"${TOKEN}"}`,
		"service web has the security option seccomp=${DATA}/seccomp.json",
		"service web is built as the image x/${TOKEN}",
		"service web keeps its build's cache in type=s3,secret=${TOKEN}",
		"service web sends its log by the driver splunk, from this machine",
		"service web writes to ${MORE}/x",
		"service web writes to /dev/shm",
		`volume nas has driver_opts: {"device":"//nas/$$share","o":"password=${TOKEN}"}`,
	})
}

func TestAMaskKeepsDifferentValuesApart(t *testing.T) {
	t.Parallel()
	parts := []string{"/home/dev/data", "${DATA}", "$", "$$", "{DATA}", "DATA}", "/more", "${MORE}", `se"c<ret`, "dev", "x"}
	seen := map[string]string{}
	for _, a := range parts {
		for _, b := range parts {
			for _, c := range parts {
				value := a + b + c
				masked := user.Text(value)
				if other, twice := seen[masked]; twice {
					assert.Equal(t, other, value, masked)
				}
				seen[masked] = value
			}
		}
	}
}
