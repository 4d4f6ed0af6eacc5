// Every verb of vxctl, one source file each. A Declare function declares the
// verb's words and flags and returns what it does.
#pragma once

#include "client/cli/arguments.h"

namespace vx::cli {

Action DeclareCreate(Arguments& arguments);
Action DeclareRun(Arguments& arguments);
Action DeclareLaunch(Arguments& arguments);
Action DeclareStart(Arguments& arguments);
Action DeclareStop(Arguments& arguments);
Action DeclareRestart(Arguments& arguments);
Action DeclareKill(Arguments& arguments);
Action DeclarePause(Arguments& arguments);
Action DeclareResume(Arguments& arguments);
Action DeclareRm(Arguments& arguments);
Action DeclareRename(Arguments& arguments);
Action DeclarePortForward(Arguments& arguments);
Action DeclareUpdate(Arguments& arguments);
Action DeclareLogin(Arguments& arguments);
Action DeclareLogout(Arguments& arguments);
Action DeclareLs(Arguments& arguments);
Action DeclareInspect(Arguments& arguments);
Action DeclareWait(Arguments& arguments);
Action DeclareExec(Arguments& arguments);
Action DeclareShell(Arguments& arguments);
Action DeclareAttach(Arguments& arguments);
Action DeclareConsole(Arguments& arguments);
Action DeclareLogs(Arguments& arguments);
Action DeclareStats(Arguments& arguments);
Action DeclareEvents(Arguments& arguments);
Action DeclareOperation(Arguments& arguments);
Action DeclareImage(Arguments& arguments);
Action DeclareNetwork(Arguments& arguments);
Action DeclareVolume(Arguments& arguments);
Action DeclareInfo(Arguments& arguments);
Action DeclareSystem(Arguments& arguments);
Action DeclareDoctor(Arguments& arguments);
Action DeclareVersion(Arguments& arguments);

}  // namespace vx::cli
