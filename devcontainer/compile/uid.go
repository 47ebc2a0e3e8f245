package compile

import (
	"cmp"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// UIDStep is a build on top of the dev container's image that gives the remote user the ids of the user on the host, so
// that both may write the work tree (devcontainer.json reference, "updateRemoteUserUID").
type UIDStep struct {
	// Needed says that the step has to be made.
	Needed bool
	// Dockerfile is the text, Args are its build arguments.
	Dockerfile string
	Args       map[string]string
}

// idScript changes the ids of REMOTE_USER in /etc/passwd and /etc/group, and the owner of its home. It leaves all as
// it is where another user has the uid, and keeps the group where another group has the gid. Only the shell and chown
// are needed.
const idScript = `uid= gid= home= other= group=
while IFS= read -r line || [ -n "$line" ]; do
  name=${line%%:*} rest=${line#*:*:} id=${rest%%:*}
  if [ "$name" = "$REMOTE_USER" ]; then
    uid=$id rest=${rest#*:} gid=${rest%%:*} rest=${rest#*:*:} home=${rest%%:*}
  elif [ "$id" = "$NEW_UID" ]; then other=$name
  fi
done < /etc/passwd
while IFS= read -r line || [ -n "$line" ]; do
  rest=${line#*:*:}
  if [ "${rest%%:*}" = "$NEW_GID" ]; then group=${line%%:*}; fi
done < /etc/group
if [ -z "$uid" ]; then echo "no user $REMOTE_USER in /etc/passwd"; exit 0; fi
if [ "$uid" != "$NEW_UID" ] && [ -n "$other" ]; then echo "uid $NEW_UID is $other's"; exit 0; fi
if [ "$gid" != "$NEW_GID" ] && [ -n "$group" ]; then echo "gid $NEW_GID is $group's"; NEW_GID=$gid; fi
if [ "$uid:$gid" = "$NEW_UID:$NEW_GID" ]; then exit 0; fi
while IFS= read -r line || [ -n "$line" ]; do
  rest=${line#*:}
  if [ "${line%%:*}" = "$REMOTE_USER" ]; then
    line=$REMOTE_USER:${rest%%:*}:$NEW_UID:$NEW_GID:${rest#*:*:*:}
  fi
  printf '%s\n' "$line"
done < /etc/passwd > /etc/passwd.new && cat /etc/passwd.new > /etc/passwd && rm /etc/passwd.new || exit 1
if [ "$gid" != "$NEW_GID" ]; then
  while IFS= read -r line || [ -n "$line" ]; do
    rest=${line#*:} member=${line#*:*:*:} id=${line#*:*:}
    if [ "${id%%:*}" = "$gid" ]; then line=${line%%:*}:${rest%%:*}:$NEW_GID:$member; fi
    printf '%s\n' "$line"
  done < /etc/group > /etc/group.new && cat /etc/group.new > /etc/group && rm /etc/group.new || exit 1
fi
if [ -d "$home" ] && [ "$home" != / ]; then chown -R "$NEW_UID:$NEW_GID" "$home"; fi`

// uidDockerfile is the step's Dockerfile. RUN has the form without a shell, because the image may have set another.
var uidDockerfile = func() string {
	var run strings.Builder
	enc := json.NewEncoder(&run)
	enc.SetEscapeHTML(false)
	if err := enc.Encode([]string{"/bin/sh", "-c", idScript}); err != nil {
		panic(err)
	}
	return "ARG BASE_IMAGE=scratch\nFROM ${BASE_IMAGE}\nARG REMOTE_USER\nARG NEW_UID\nARG NEW_GID\nUSER root\n" +
		"RUN " + run.String() + "ARG IMAGE_USER\nUSER ${IMAGE_USER}\n"
}()

// uid plans the step, and makes the service build it.
func (c *compiler) uid() {
	user, _, _ := strings.Cut(c.RemoteUser, ":")
	_, numeric := strconv.Atoi(user)
	wanted := c.Merged.UpdateRemoteUserUID == nil || *c.Merged.UpdateRemoteUserUID
	// Where the user on the host is root, another user has that uid in every image.
	if !wanted || c.in.Host.OS != "linux" || c.in.Host.UID == 0 || user == "root" || numeric == nil {
		return
	}
	base := types.ServiceConfig{
		Name: c.Service.Name, Image: c.Service.Image, Build: c.Service.Build,
		Platform: c.Service.Platform, PullPolicy: c.Service.PullPolicy,
	}
	if base.Build != nil {
		base.Image = c.in.BaseTag
	}
	c.UID = UIDStep{Needed: true, Dockerfile: uidDockerfile, Args: map[string]string{
		"BASE_IMAGE": base.Image, "REMOTE_USER": user,
		"NEW_UID": strconv.Itoa(c.in.Host.UID), "NEW_GID": strconv.Itoa(c.in.Host.GID),
		"IMAGE_USER": cmp.Or(c.in.Image.User, "root"),
	}}
	args := types.MappingWithEquals{}
	for name, value := range c.UID.Args {
		args[name] = &value
	}
	c.Base = &base
	c.Service.Build = &types.BuildConfig{
		Context: filepath.Dir(c.in.Config.Path), DockerfileInline: c.UID.Dockerfile, Args: args,
	}
	if c.Service.Platform != "" {
		c.Service.Build.Platforms = types.StringList{c.Service.Platform}
	}
	// Compose names what it builds after the project; no registry has it to pull.
	c.Service.Image, c.Service.PullPolicy = "", ""
}
