package house_test

import (
	"regexp"
	"strings"
)

// form is a form of words that a reader has to decode, and what to write in its place.
type form struct {
	in      passageKind
	find    *regexp.Regexp
	allow   *regexp.Regexp // a match of find inside a match of allow is good English
	instead string
}

// words compiles a pattern. A space in it is any white space, since sentences go over the ends of lines.
func words(pattern string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)` + strings.ReplaceAll(pattern, " ", `\s+`))
}

var forms = []form{
	{
		in: prose, find: words(`\banew\b`),
		instead: `"again", or "recreated"`,
	},
	{
		in: prose, find: words(`\bshall\b`),
		instead: `"must" or "will"`,
	},
	{
		in: prose, find: words(`\btells? whether\b`),
		allow:   words(`\b(can|cannot|could|not|nobody|to) tell whether`),
		instead: `"reports whether"`,
	},
	{
		in: prose, find: words(`\b(is|are|was|were) no [\pL%]\w*`),
		allow:   words(`\bthere('s| is| are| was| were) no [\pL%]\w*|\b(is|are|was|were) no (longer|such|matter)\b`),
		instead: `"is not a ..."`,
	},
	{
		in: prose, find: words(`\b(is|are|was|were) none of\b`),
		allow:   words(`\bthere (is|are|was|were) none of\b`),
		instead: `"must be one of ..." in an error, "is not ..." otherwise`,
	},
	{
		in: prose, find: words(`\bthat of which\b`),
		instead: `a sentence that begins with the thing`,
	},
	{
		in: prose, find: words(`\bone that is\b`),
		allow:   words(`\b(the|only|this|every) one that is\b`),
		instead: `the thing with its name`,
	},
	{
		in: prose, find: words(`\bwhat (is there|there is) for no\b`),
		instead: `a sentence that begins with the thing`,
	},
	{
		in: prose, find: words(`\b(of|to|from|for|with|than|beside) (ours|theirs)\b`),
		instead: `whose it is: "docker loom's", "our own label", "the user's"`,
	},
	{
		in: prose, find: words(`\bwhere there (is|are|was|were) (none|one|no|nothing)\b`),
		instead: `"if there is ..."`,
	},
	{
		in: prose, find: words(`\belse\b`),
		allow:   words(`\b((some|any|no|every)(thing|where|body|one)|all|who|whoever|what|whatever|where|little|much) else\b`),
		instead: `"otherwise", or another sentence`,
	},
	{
		in: prose, find: words(`\bwhich of them\b`),
		instead: `"which", with the noun`,
	},
	{
		in: prose, find: words(`\bend what holds\b`),
		instead: `an imperative that names what to stop`,
	},
	{
		in: errorText, find: words(`\b(failed|unable) to\b`),
		instead: `what is wrong: "cannot ...", or the thing and its state`,
	},
	{
		in: errorText, find: words(`: it is [^:]+ or `),
		instead: `"must be a, b or c, not ...", with the value`,
	},
	{
		// Names of products and files keep their capital, and so does an abbreviation.
		in: errorText, find: regexp.MustCompile(`^\p{Lu}\p{Ll}+\b`),
		allow:   regexp.MustCompile(`^(Compose|Docker|Dockerfile|Linux|Windows|Claude)\b`),
		instead: `an error in lower case`,
	},
}

// name is a name that says too little.
type name struct {
	of      nameKind
	find    *regexp.Regexp // of the whole name
	instead string
}

// nameKind says what has the name.
type nameKind uint

const (
	anyName       nameKind = 1 << iota // whatever is declared
	functionName                       // a function or method
	predicateName                      // a function that returns a bool
)

var names = []name{
	{
		functionName, regexp.MustCompile(`(?i)^(raise|furnish|attend|unattend|meet|settle|beside|stock)$`),
		"a verb with its object",
	},
	{
		anyName, regexp.MustCompile(`(?i)^(powers|grounds|claims|namesakes)$`),
		"a dull word: hostAccess, reservedNames",
	},
	{
		predicateName, regexp.MustCompile(`^(is|names|named)$`),
		"a question with its object: isLoom, matchesBranch",
	},
}
