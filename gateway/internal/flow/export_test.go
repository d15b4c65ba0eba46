package flow

// Frame is frame for the tests.
var Frame = frame
