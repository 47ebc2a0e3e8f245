package acl

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/assert"
)

func TestAListIsEncodedAsTheKernelStoresIt(t *testing.T) {
	t.Parallel()
	l := list{{tagOwner, 7, noID}, {tagUser, 6, 61000}, {tagOwnerGroup, 5, noID}, {tagMask, 7, noID}, {tagOther, 0, noID}}
	// What setfacl -m u:61000:rw leaves on a file of mode 0750.
	want := "\x02\x00\x00\x00" +
		"\x01\x00\x07\x00\xff\xff\xff\xff" + "\x02\x00\x06\x00\x48\xee\x00\x00" + "\x04\x00\x05\x00\xff\xff\xff\xff" +
		"\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"
	assert.Equal(t, string(l.bytes()), want)
	got, err := parse([]byte(want))
	assert.NilError(t, err)
	assert.DeepEqual(t, got, l, cmp.AllowUnexported(entry{}))
	for _, bad := range []string{"", "\x02\x00\x00", "\x01\x00\x00\x00", want[:len(want)-1], "\x03" + want[1:]} {
		_, err := parse([]byte(bad))
		assert.ErrorIs(t, err, errList, "%q", bad)
	}
}

func TestAnEntryLeavesTheOthersWhatTheyMayDo(t *testing.T) {
	t.Parallel()
	masked := list{{tagOwner, 6, noID}, {tagUser, 6, 4711}, {tagOwnerGroup, 6, noID}, {tagGroup, 7, 4712}, {tagMask, 4, noID}, {tagOther, 0, noID}}
	for name, tc := range map[string]struct{ got, want list }{
		"a mode": {
			fromMode(0o640),
			list{{tagOwner, 6, noID}, {tagOwnerGroup, 4, noID}, {tagOther, 0, noID}},
		},
		"a user beside a mode": {
			fromMode(0o640).withUser(61000, 6),
			list{{tagOwner, 6, noID}, {tagUser, 6, 61000}, {tagOwnerGroup, 4, noID}, {tagMask, 6, noID}, {tagOther, 0, noID}},
		},
		"a user beside masked ones": {
			masked.withUser(61000, 6),
			list{
				{tagOwner, 6, noID},
				{tagUser, 4, 4711},
				{tagUser, 6, 61000},
				{tagOwnerGroup, 4, noID},
				{tagGroup, 4, 4712},
				{tagMask, 6, noID},
				{tagOther, 0, noID},
			},
		},
		"a user who had another entry": {
			fromMode(0o600).withUser(61000, 6).withUser(61000, 4),
			list{{tagOwner, 6, noID}, {tagUser, 4, 61000}, {tagOwnerGroup, 0, noID}, {tagMask, 4, noID}, {tagOther, 0, noID}},
		},
		"a user removed": {fromMode(0o640).withUser(61000, 6).withoutUser(61000), fromMode(0o640)},
		"a user removed beside another": {
			fromMode(0o640).withUser(61000, 6).withUser(4711, 4).withoutUser(61000),
			list{{tagOwner, 6, noID}, {tagUser, 4, 4711}, {tagOwnerGroup, 4, noID}, {tagMask, 4, noID}, {tagOther, 0, noID}},
		},
		"nobody removed": {fromMode(0o750).withoutUser(61000), fromMode(0o750)},
	} {
		assert.Check(t, slices.Equal(tc.got, tc.want), "%s: %v", name, tc.got)
	}
	perm, ok := masked.user(4711)
	assert.Assert(t, ok && perm == 4, "the mask counts")
	assert.Equal(t, masked.ownerGroup(), uint16(4))
	_, ok = masked.user(61000)
	assert.Assert(t, !ok)
	assert.Equal(t, masked.find(tagMask, noID), 4, "the list itself is not changed")
}
