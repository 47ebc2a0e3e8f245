package blame

import (
	"errors"
	"testing"

	"gotest.tools/v3/assert"
)

func TestComposesErrorsNameWhatFailed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text string
		want Service
	}{
		{"dependency failed to start: container shop-db-1 exited (137)", Service{Container: "shop-db-1", What: "exited with code 137"}},
		{"dependency failed to start: container shop-db-1 is unhealthy", Service{Container: "shop-db-1", What: "is unhealthy"}},
		{
			"dependency failed to start: container shop-db-1 has no healthcheck configured",
			Service{Container: "shop-db-1", What: "has no healthcheck configured", NoHealthcheck: true},
		},
		{`service "migrate" didn't complete successfully: exit 4`, Service{Name: "migrate", What: "exited with code 4"}},
		{"Error response from daemon: network shop_default not found", Service{}},
	} {
		got, ok := Of(errors.New(tc.text))
		assert.Check(t, got == tc.want && ok == (tc.want != Service{}), "%s: %+v", tc.text, got)
	}
}
