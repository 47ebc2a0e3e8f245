package sandbox

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// The tags of an entry of a POSIX access control list, in the order in which they stand.
const (
	aclUserObj  = 0x01
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20

	aclVersion = 2
	aclNoID    = 0xffffffff
)

// aclEntry is one entry, aclList a whole list as Linux keeps it in an extended attribute.
type aclEntry struct {
	tag, perm uint16
	id        uint32
}

type aclList []aclEntry

var errACL = errors.New("not an access control list of version 2")

// parseACL reads the attribute's value.
func parseACL(b []byte) (aclList, error) {
	if len(b) < 4 || (len(b)-4)%8 != 0 || binary.LittleEndian.Uint32(b) != aclVersion {
		return nil, errACL
	}
	var l aclList
	for b = b[4:]; len(b) > 0; b = b[8:] {
		l = append(l, aclEntry{binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:])})
	}
	return l, nil
}

// bytes is the attribute's value.
func (l aclList) bytes() []byte {
	b := binary.LittleEndian.AppendUint32(nil, aclVersion)
	for _, e := range l {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// fromMode is the list that says what a mode says.
func fromMode(mode uint32) aclList {
	return aclList{
		{aclUserObj, uint16(mode >> 6 & 7), aclNoID}, {aclGroupObj, uint16(mode >> 3 & 7), aclNoID}, {aclOther, uint16(mode & 7), aclNoID},
	}
}

func (l aclList) find(tag uint16, id uint32) int {
	return slices.IndexFunc(l, func(e aclEntry) bool { return e.tag == tag && e.id == id })
}

// with is the list where the user may do perm, effectively. What the others may do stays as it is: the mask is the upper
// bound of all but owner and others, so those that it bounds are cut to it before it grows.
func (l aclList) with(uid uint32, perm uint16) aclList {
	out := slices.Clone(l)
	if m := out.find(aclMask, aclNoID); m >= 0 {
		for i, e := range out {
			if e.tag == aclUser || e.tag == aclGroup || e.tag == aclGroupObj {
				out[i].perm &= out[m].perm
			}
		}
	}
	if i := out.find(aclUser, uid); i >= 0 {
		out[i].perm = perm
	} else {
		out = append(out, aclEntry{aclUser, perm, uid})
	}
	return out.masked()
}

// without is the list that does not name the user.
func (l aclList) without(uid uint32) aclList {
	out := slices.DeleteFunc(slices.Clone(l), func(e aclEntry) bool { return e.tag == aclUser && e.id == uid })
	if m := out.find(aclMask, aclNoID); m >= 0 {
		for i, e := range out {
			if e.tag == aclUser || e.tag == aclGroup || e.tag == aclGroupObj {
				out[i].perm &= out[m].perm
			}
		}
	}
	return out.masked()
}

// named tells whether a user or group has an entry of its own.
func (l aclList) named() bool {
	return slices.ContainsFunc(l, func(e aclEntry) bool { return e.tag == aclUser || e.tag == aclGroup })
}

// masked gives the list the mask that bounds nothing, which it must have where it names anybody, in the kernel's order.
func (l aclList) masked() aclList {
	l = slices.DeleteFunc(l, func(e aclEntry) bool { return e.tag == aclMask })
	if l.named() {
		mask := aclEntry{tag: aclMask, id: aclNoID}
		for _, e := range l {
			if e.tag == aclUser || e.tag == aclGroup || e.tag == aclGroupObj {
				mask.perm |= e.perm
			}
		}
		l = append(l, mask)
	}
	slices.SortFunc(l, func(a, b aclEntry) int { return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.id, b.id)) })
	return l
}

// allows is what the user may do by an entry of its own.
func (l aclList) allows(uid uint32) (uint16, bool) {
	i := l.find(aclUser, uid)
	if i < 0 {
		return 0, false
	}
	perm := l[i].perm
	if m := l.find(aclMask, aclNoID); m >= 0 {
		perm &= l[m].perm
	}
	return perm, true
}

// base is what the entry of a tag without an ID says.
func (l aclList) base(tag uint16) uint16 {
	if i := l.find(tag, aclNoID); i >= 0 {
		return l[i].perm
	}
	return 0
}

// groupRights is what the owning group may do, effectively.
func (l aclList) groupRights() uint16 {
	perm := l.base(aclGroupObj)
	if m := l.find(aclMask, aclNoID); m >= 0 {
		perm &= l[m].perm
	}
	return perm
}
