package auth

import (
	"slices"
	"strings"

	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Scope is a part of what can be done. No scope implies another.
type Scope string

// The scopes.
const (
	// GenerationsRead looks at generations, watches them and fetches what they made;
	// also at styles.
	GenerationsRead Scope = "generations:read"
	// GenerationsWrite creates, cancels and deletes generations and styles.
	GenerationsWrite Scope = "generations:write"
	// PicturesRead looks for uploaded pictures, and who is in a picture.
	PicturesRead Scope = "pictures:read"
	// PicturesWrite uploads and deletes pictures, at once or in pieces.
	PicturesWrite Scope = "pictures:write"
	// SubjectsRead looks at enrolled people.
	SubjectsRead Scope = "subjects:read"
	// SubjectsWrite enrols, changes and deletes people, and checks their photos.
	SubjectsWrite Scope = "subjects:write"
	// StagesCall calls the stages themselves, which tell face embeddings.
	StagesCall Scope = "stages:call"
	// Admin operates the mesh: all tenants' work, and API keys.
	Admin Scope = "admin"
)

// Scopes are all of them.
var Scopes = []Scope{GenerationsRead, GenerationsWrite, PicturesRead, PicturesWrite, SubjectsRead, SubjectsWrite, StagesCall, Admin}

// TenantScopes are those of what a tenant does: all but those of operators and
// of programs beside the gateway.
var TenantScopes = []Scope{GenerationsRead, GenerationsWrite, PicturesRead, PicturesWrite, SubjectsRead, SubjectsWrite}

// methods is the scope of every method: one that is not here is refused.
var methods = map[string]Scope{
	gatewayv1.GenerationService_CreateGeneration_FullMethodName: GenerationsWrite,
	gatewayv1.GenerationService_GetGeneration_FullMethodName:    GenerationsRead,
	gatewayv1.GenerationService_ListGenerations_FullMethodName:  GenerationsRead,
	gatewayv1.GenerationService_WatchGeneration_FullMethodName:  GenerationsRead,
	gatewayv1.GenerationService_CancelGeneration_FullMethodName: GenerationsWrite,
	gatewayv1.GenerationService_GetPicture_FullMethodName:       GenerationsRead,

	gatewayv1.SubjectService_CreateSubject_FullMethodName: SubjectsWrite,
	gatewayv1.SubjectService_GetSubject_FullMethodName:    SubjectsRead,
	gatewayv1.SubjectService_ListSubjects_FullMethodName:  SubjectsRead,
	gatewayv1.SubjectService_DeleteSubject_FullMethodName: SubjectsWrite,

	gatewayv1.GenerationService_DeleteGeneration_FullMethodName: GenerationsWrite,
	gatewayv1.SubjectService_UpdateSubject_FullMethodName:       SubjectsWrite,

	gatewayv1.PictureService_CreatePicture_FullMethodName: PicturesWrite,
	gatewayv1.PictureService_UploadPicture_FullMethodName: PicturesWrite,
	gatewayv1.PictureService_GetPicture_FullMethodName:    PicturesRead,
	gatewayv1.PictureService_DeletePicture_FullMethodName: PicturesWrite,
	gatewayv1.PictureService_DetectPeople_FullMethodName:  PicturesRead,
	gatewayv1.PictureService_CreateUpload_FullMethodName:  PicturesWrite,
	gatewayv1.PictureService_GetUpload_FullMethodName:     PicturesWrite,
	gatewayv1.PictureService_AppendUpload_FullMethodName:  PicturesWrite,
	gatewayv1.PictureService_FinishUpload_FullMethodName:  PicturesWrite,
	gatewayv1.PictureService_DeleteUpload_FullMethodName:  PicturesWrite,

	gatewayv1.StyleService_CreateStyle_FullMethodName: GenerationsWrite,
	gatewayv1.StyleService_GetStyle_FullMethodName:    GenerationsRead,
	gatewayv1.StyleService_ListStyles_FullMethodName:  GenerationsRead,
	gatewayv1.StyleService_DeleteStyle_FullMethodName: GenerationsWrite,

	gatewayv1.BundleService_GetBundle_FullMethodName:   GenerationsRead,
	gatewayv1.BundleService_ListBundles_FullMethodName: GenerationsRead,

	adminv1.KeyService_CreateKey_FullMethodName: Admin,
	adminv1.KeyService_GetKey_FullMethodName:    Admin,
	adminv1.KeyService_ListKeys_FullMethodName:  Admin,
	adminv1.KeyService_RevokeKey_FullMethodName: Admin,

	adminv1.SealService_RotateKeys_FullMethodName:        Admin,
	adminv1.AuditService_ListAuditEntries_FullMethodName: Admin,

	adminv1.QueueService_ListDeadLetters_FullMethodName:   Admin,
	adminv1.QueueService_GetDeadLetter_FullMethodName:     Admin,
	adminv1.QueueService_RedriveDeadLetter_FullMethodName: Admin,
	adminv1.QueueService_DropDeadLetter_FullMethodName:    Admin,
	adminv1.QueueService_ListStages_FullMethodName:        Admin,
	adminv1.QueueService_PauseStage_FullMethodName:        Admin,
	adminv1.QueueService_ResumeStage_FullMethodName:       Admin,

	encoderv1.EncoderService_EmbedImages_FullMethodName:       StagesCall,
	encoderv1.EncoderService_EmbedTexts_FullMethodName:        StagesCall,
	encoderv1.EncoderService_DetectFaces_FullMethodName:       StagesCall,
	encoderv1.EncoderService_EmbedFaces_FullMethodName:        StagesCall,
	encoderv1.EncoderService_EmbedAllFaces_FullMethodName:     StagesCall,
	priorv1.PriorService_EmbedImage_FullMethodName:            StagesCall,
	segmenterv1.SegmenterService_SegmentPeople_FullMethodName: StagesCall,
	denoiserv1.DenoiserService_Denoise_FullMethodName:         StagesCall,
}

// ScopeOf is the scope of a method, "/package.Service/Method"; false for one that
// nobody may call.
func ScopeOf(method string) (Scope, bool) {
	scope, ok := methods[method]
	return scope, ok
}

// ParseScopes reads scopes; false for the first that is none.
func ParseScopes(names []string) (scopes []Scope, bad string, ok bool) {
	for _, name := range names {
		if !slices.Contains(Scopes, Scope(name)) {
			return nil, name, false
		}
		if !slices.Contains(scopes, Scope(name)) {
			scopes = append(scopes, Scope(name))
		}
	}
	return scopes, "", true
}

// Names are scopes as text.
func Names(scopes []Scope) []string {
	out := make([]string, len(scopes))
	for i, s := range scopes {
		out[i] = string(s)
	}
	return out
}

// may tells whether a principal may call a method.
func may(who Principal, method string) error {
	scope, ok := ScopeOf(method)
	if ok && slices.Contains(who.Scopes, scope) {
		return nil
	}
	if !ok {
		return fault.New(fault.Denied, faultv1.Reason_REASON_SCOPE_MISSING, "", "nobody may call %s here", method)
	}
	return fault.New(fault.Denied, faultv1.Reason_REASON_SCOPE_MISSING, "",
		"the key or token may not do that: it needs the scope %s and has %s", scope, strings.Join(Names(who.Scopes), ", "))
}
