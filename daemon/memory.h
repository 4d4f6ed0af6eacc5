// Keeps the idle daemon small.
#pragma once

namespace vx {

// Before the first thread: a few heaps for all threads, not one for each.
void LimitHeaps();

// Gives back what only the start-up needed: free heap, and the pages of programs
// and libraries, which come again from the page cache when they are used.
void ReleaseStartupMemory();

}  // namespace vx
