module github.com/facestudio/facestudio/services

go 1.26.0

replace github.com/facestudio/facestudio/proto => ../proto

require github.com/facestudio/facestudio/proto v0.0.0
