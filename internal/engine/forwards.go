package engine

import (
	"fmt"
	"slices"
	"strings"
)

// LabelForwards is on a container that publishes ports for others, which are on networks without the host: whose they
// are, as [FormatForwards] writes it.
const LabelForwards = "ai.iloom.forwards"

// Forward is a port that one container listens on for another service of its project.
type Forward struct {
	Listen   int
	Protocol string
	Service  string
	Target   int // the service's own port
}

// FormatForwards writes the label: 20000/tcp=web:80, separated by spaces.
func FormatForwards(list []Forward) string {
	var words []string
	for _, f := range list {
		words = append(words, fmt.Sprintf("%d/%s=%s:%d", f.Listen, f.Protocol, f.Service, f.Target))
	}
	return strings.Join(words, " ")
}

// ParseForwards reads the label; what makes no sense is left out.
func ParseForwards(label string) []Forward {
	var list []Forward
	for word := range strings.FieldsSeq(label) {
		listen, to, _ := strings.Cut(word, "=")
		at := strings.LastIndex(to, ":")
		if at < 0 {
			continue
		}
		f := Forward{Service: to[:at]}
		_, err := fmt.Sscanf(listen, "%d/%s", &f.Listen, &f.Protocol)
		_, err2 := fmt.Sscanf(to[at+1:], "%d", &f.Target)
		if err == nil && err2 == nil {
			list = append(list, f)
		}
	}
	return list
}

// attribute moves the ports that a forwarder publishes to the containers that they lead to: whoever asks for the ports
// of a service need not know the forwarder. Ports of a service that does not run lead nowhere.
func attribute(list []Container) {
	for i, by := range list {
		label := by.Labels[LabelForwards]
		if label == "" {
			continue
		}
		forwards := ParseForwards(label)
		var own []Published
		for _, pub := range by.Published {
			n := slices.IndexFunc(forwards, func(f Forward) bool {
				return f.Listen == pub.Target && f.Protocol == pub.Protocol
			})
			if n < 0 {
				own = append(own, pub)
				continue
			}
			list[i].Forwards = append(list[i].Forwards, pub)
			for j, c := range list {
				runs := c.State == "running" || c.State == "paused"
				if c.Project == by.Project && c.Service == forwards[n].Service && !c.OneOff && runs {
					pub.Target, pub.Via = forwards[n].Target, by.Service
					list[j].Published = append(list[j].Published, pub)
					slices.SortFunc(list[j].Published, byTarget)
					break
				}
			}
		}
		list[i].Published = own
	}
}
