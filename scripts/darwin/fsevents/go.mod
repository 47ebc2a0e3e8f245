module github.com/fsnotify/fsevents

go 1.26
