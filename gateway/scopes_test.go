package gateway_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/facestudio/facestudio/gateway/internal/auth"
)

// Every method has a scope, so that a new one is not open to everybody, nor shut
// to all.
func TestEveryMethodHasAScope(t *testing.T) {
	stages := []string{"encoder", "prior", "segmenter", "denoiser"}
	seen := 0
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		room, ours := strings.CutPrefix(string(file.Package()), "facestudio.")
		for i := range file.Services().Len() {
			for j := range file.Services().Get(i).Methods().Len() {
				method := file.Services().Get(i).Methods().Get(j)
				if !ours {
					continue
				}
				seen++
				name := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
				scope, ok := auth.ScopeOf(name)
				if !ok {
					t.Errorf("%s has no scope: give it one in gateway/internal/auth/scope.go", name)
				}
				if (scope == auth.Admin) != strings.HasPrefix(room, "admin.") {
					t.Errorf("%s needs the scope %s: the methods of admin, and no others, need admin", name, scope)
				}
				if pictures := scope == auth.PicturesRead || scope == auth.PicturesWrite; pictures != strings.HasPrefix(name, "/facestudio.gateway.v1.PictureService/") {
					t.Errorf("%s needs the scope %s: the methods of pictures and uploads, and no others, need that of pictures", name, scope)
				}
				for _, stage := range stages {
					if strings.HasPrefix(room, stage+".") && scope != auth.StagesCall {
						t.Errorf("%s needs the scope %s: the methods of stages need %s", name, scope, auth.StagesCall)
					}
				}
			}
		}
		return true
	})
	if seen < 30 {
		t.Errorf("only %d methods were found", seen)
	}
}
