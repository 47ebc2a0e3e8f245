package acl

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// Tags of entries, in the order in which the kernel wants them.
const (
	tagOwner      = 0x01
	tagUser       = 0x02
	tagOwnerGroup = 0x04
	tagGroup      = 0x08
	tagMask       = 0x10
	tagOther      = 0x20

	listVersion = 2
	noID        = 0xffffffff
)

// entry is one line of a list. id is noID but for tagUser and tagGroup.
type entry struct {
	tag, perm uint16
	id        uint32
}

// list is an access control list as Linux stores it in an extended attribute.
type list []entry

var errList = errors.New("not an access control list of version 2")

// parse decodes the value of the attribute.
func parse(b []byte) (list, error) {
	if len(b) < 4 || (len(b)-4)%8 != 0 || binary.LittleEndian.Uint32(b) != listVersion {
		return nil, errList
	}
	var l list
	for b = b[4:]; len(b) > 0; b = b[8:] {
		l = append(l, entry{
			tag: binary.LittleEndian.Uint16(b), perm: binary.LittleEndian.Uint16(b[2:]), id: binary.LittleEndian.Uint32(b[4:]),
		})
	}
	return l, nil
}

// bytes encodes the value of the attribute.
func (l list) bytes() []byte {
	b := binary.LittleEndian.AppendUint32(nil, listVersion)
	for _, e := range l {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// fromMode returns the list that is equal to a mode.
func fromMode(mode uint32) list {
	return list{
		{tagOwner, uint16(mode >> 6 & 7), noID},
		{tagOwnerGroup, uint16(mode >> 3 & 7), noID},
		{tagOther, uint16(mode & 7), noID},
	}
}

func (l list) find(tag uint16, id uint32) int {
	return slices.IndexFunc(l, func(e entry) bool { return e.tag == tag && e.id == id })
}

// isMasked reports whether the mask limits entries of this tag.
func isMasked(tag uint16) bool { return tag == tagUser || tag == tagGroup || tag == tagOwnerGroup }

// withUser returns the list in which the user has exactly perm. What others may do stays.
func (l list) withUser(uid uint32, perm uint16) list {
	out := l.applyMask()
	if i := out.find(tagUser, uid); i >= 0 {
		out[i].perm = perm
	} else {
		out = append(out, entry{tagUser, perm, uid})
	}
	return out.replaceMask()
}

// withoutUser returns the list without the user's entry.
func (l list) withoutUser(uid uint32) list {
	out := slices.DeleteFunc(l.applyMask(), func(e entry) bool { return e.tag == tagUser && e.id == uid })
	return out.replaceMask()
}

// applyMask returns a copy in which the entries themselves are as small as the mask makes them. A larger mask then
// gives nobody more.
func (l list) applyMask() list {
	out := slices.Clone(l)
	if m := out.find(tagMask, noID); m >= 0 {
		for i, e := range out {
			if isMasked(e.tag) {
				out[i].perm &= out[m].perm
			}
		}
	}
	return out
}

// replaceMask sets the mask that limits nothing, and sorts the entries for the kernel. A list with a named user or
// group must have a mask.
func (l list) replaceMask() list {
	l = slices.DeleteFunc(l, func(e entry) bool { return e.tag == tagMask })
	if l.hasNamed() {
		mask := entry{tag: tagMask, id: noID}
		for _, e := range l {
			if isMasked(e.tag) {
				mask.perm |= e.perm
			}
		}
		l = append(l, mask)
	}
	slices.SortFunc(l, func(a, b entry) int { return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.id, b.id)) })
	return l
}

// hasNamed reports whether a user or group has an entry of its own.
func (l list) hasNamed() bool {
	return slices.ContainsFunc(l, func(e entry) bool { return e.tag == tagUser || e.tag == tagGroup })
}

// user returns what the user's own entry allows under the mask; ok is false if there is no such entry.
func (l list) user(uid uint32) (perm uint16, ok bool) {
	i := l.find(tagUser, uid)
	if i < 0 {
		return 0, false
	}
	return l.underMask(l[i].perm), true
}

// perm returns what the entry of a tag without an id says, before the mask.
func (l list) perm(tag uint16) uint16 {
	if i := l.find(tag, noID); i >= 0 {
		return l[i].perm
	}
	return 0
}

// ownerGroup returns what the owning group may do.
func (l list) ownerGroup() uint16 { return l.underMask(l.perm(tagOwnerGroup)) }

func (l list) underMask(perm uint16) uint16 {
	if m := l.find(tagMask, noID); m >= 0 {
		perm &= l[m].perm
	}
	return perm
}
