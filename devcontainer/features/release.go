package features

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// release is OWNER/REPOSITORY/FEATURE, with the tag of a release behind an @: the form from before features had
// registries, whose archives are attached to releases on GitHub.
var release = regexp.MustCompile(`^([A-Za-z0-9-]+)/(\.?[\w-][\w.-]*)/([\w-]+)(?:@([A-Za-z0-9][\w.+-]*))?$`)

func parseRelease(written string) (ID, error) {
	parts := release.FindStringSubmatch(written)
	if parts == nil {
		return ID{}, errors.New("is neither REGISTRY/PATH/NAME:VERSION nor OWNER/REPOSITORY/NAME@TAG of a release on GitHub")
	}
	id := ID{Source: SourceRelease, Repository: parts[1] + "/" + parts[2], Tag: parts[4]}
	at := "download/" + id.Tag
	if id.Tag == "" || id.Tag == "latest" {
		id.Tag, at = "latest", "latest/download"
	}
	id.URL = "https://github.com/" + id.Repository + "/releases/" + at + "/" + parts[3] + ".tgz"
	return id, nil
}

// attached fetches the archive of a release: of a private repository by way of GitHub's API, which takes the user's
// token.
func (s *Store) attached(ctx context.Context, id ID) (pointer, []byte, error) {
	if s.GitHubToken == "" {
		return s.download(ctx, id.URL, nil)
	}
	headers := http.Header{"Authorization": {"Bearer " + s.GitHubToken}, "Accept": {"application/vnd.github+json"}}
	at := "tags/" + id.Tag
	if id.Tag == "latest" {
		at = id.Tag
	}
	list := "https://api.github.com/repos/" + id.Repository + "/releases/" + at
	_, data, err := s.download(ctx, list, headers)
	if err != nil {
		return pointer{}, nil, err
	}
	var answer struct {
		Assets []struct{ Name, URL string }
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return pointer{}, nil, fmt.Errorf("%s: %w", list, err)
	}
	for _, asset := range answer.Assets {
		// The token goes to GitHub, whatever an answer says.
		if asset.Name == id.name()+".tgz" && strings.HasPrefix(asset.URL, "https://api.github.com/") {
			headers.Set("Accept", "application/octet-stream")
			return s.download(ctx, asset.URL, headers)
		}
	}
	return pointer{}, nil, fmt.Errorf("release %s of github.com/%s has no %s.tgz", id.Tag, id.Repository, id.name())
}
