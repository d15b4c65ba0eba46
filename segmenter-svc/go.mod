module github.com/facestudio/facestudio/segmenter-svc

go 1.26.0

replace github.com/facestudio/facestudio/proto => ../proto

require (
	github.com/facestudio/facestudio/proto v0.0.0
	github.com/facestudio/facestudio/services v0.0.0
	google.golang.org/grpc v1.85.0
)

replace github.com/facestudio/facestudio/services => ../services
