package devbox

import (
	"fmt"
	"testing"

	"gotest.tools/v3/assert"
)

func TestTheLastErrorsSurviveMuchOutput(t *testing.T) {
	var last tail
	last.add(tailLine{"broke", true})
	for i := range 20 {
		last.add(tailLine{fmt.Sprint(i), false})
	}
	assert.DeepEqual(t, last.lines(), []string{"broke", "11", "12", "13", "14", "15", "16", "17", "18", "19"})
	for range 20 {
		last.add(tailLine{"again", true})
	}
	assert.DeepEqual(t, last.lines(), []string{"15", "16", "17", "18", "19", "again", "again", "again", "again", "again"})
}
