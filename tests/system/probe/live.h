// What waits in a container for the runtime to come in, as it does for an exec, and reaches
// for it while it is there. They never return.
#pragma once

// Tries to look into each process of vx-runtime's: prints "saw" for each, and what worked
// as "DONE CALL".
[[noreturn]] void ReachIn();

// Keeps what a process of the runtime's program has for its program, also one that runs
// as the command, and tries to write to it, also after its end: prints "held" for each
// file that it could hold, and "DONE write" for one that it could write to.
[[noreturn]] void Overwrite();
