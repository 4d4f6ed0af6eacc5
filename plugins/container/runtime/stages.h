// Where the time of a create goes, for tests/bench. Costs nothing unless it is asked for.
//
// The runtime and init mark in turn, never at once, so their marks are one line of time.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace vx::container {

// From now on marks are kept, in memory that a child shares. Once, before the first.
void KeepStages();

// The stage `name` (a literal) ends here, and the next one begins.
void EndStage(const char* name);

// A line for each stage: its name and how many microseconds it took.
absl::Status WriteStages(const std::string& file);

}  // namespace vx::container
