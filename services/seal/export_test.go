package seal

// NewMemoryStore returns a store that several rings of a test share.
func NewMemoryStore() Store { return &memory{keys: make(map[Scope]Stored)} }
