package engine

import (
	"testing"

	"gotest.tools/v3/assert"
)

func TestPortsAreThoseOfTheServicesTheyLeadTo(t *testing.T) {
	t.Parallel()
	forwards := []Forward{{20000, "tcp", "web", 80}, {20001, "udp", "dns", 53}, {20002, "tcp", "db", 5432}}
	label := FormatForwards(forwards)
	assert.DeepEqual(t, ParseForwards(label), forwards)
	assert.DeepEqual(t, ParseForwards("nonsense x=y 1/tcp=web 2=web:80"), []Forward(nil))

	list := []Container{
		{Project: "a", Service: "db", State: "exited"},
		{Project: "a", Service: "dns", State: "running", Published: []Published{{Target: 80, Protocol: "tcp", Host: 1}}},
		{
			Project: "a", Service: "egress", State: "running", Labels: map[string]string{LabelForwards: label},
			Published: []Published{{20000, "tcp", "127.0.0.1", 8080, ""}, {20001, "udp", "", 5353, ""}, {20002, "tcp", "", 5432, ""}, {9, "tcp", "", 9, ""}},
		},
		{Project: "a", Service: "web", State: "running"},
		{Project: "b", Service: "web", State: "running"},
	}
	attribute(list)
	assert.Equal(t, len(list[0].Published), 0, "it does not run")
	assert.DeepEqual(t, list[1].Published, []Published{{53, "udp", "", 5353, "egress"}, {80, "tcp", "", 1, ""}})
	assert.DeepEqual(t, list[2].Published, []Published{{9, "tcp", "", 9, ""}})
	assert.Equal(t, len(list[2].Forwards), 3)
	assert.DeepEqual(t, list[3].Published, []Published{{80, "tcp", "127.0.0.1", 8080, "egress"}})
	assert.Equal(t, len(list[4].Published), 0, "another project")
}
