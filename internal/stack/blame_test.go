package stack

import (
	"errors"
	"testing"

	"gotest.tools/v3/assert"
)

func TestComposesErrorsNameWhatFailed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text string
		want Blame
	}{
		{"dependency failed to start: container shop-db-1 exited (137)", Blame{Container: "shop-db-1", What: "exited with code 137"}},
		{"dependency failed to start: container shop-db-1 is unhealthy", Blame{Container: "shop-db-1", What: "is unhealthy"}},
		{
			"dependency failed to start: container shop-db-1 has no healthcheck configured",
			Blame{Container: "shop-db-1", What: "has no healthcheck configured", NoHealthcheck: true},
		},
		{`service "migrate" didn't complete successfully: exit 4`, Blame{Service: "migrate", What: "exited with code 4"}},
		{"Error response from daemon: network shop_default not found", Blame{}},
	} {
		got, ok := BlameOf(errors.New(tc.text))
		assert.Check(t, got == tc.want && ok == (tc.want != Blame{}), "%s: %+v", tc.text, got)
	}
}
