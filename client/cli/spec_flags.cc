#include "client/cli/spec_flags.h"

#include <google/protobuf/util/time_util.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/errors.h"
#include "client/cli/parse.h"
#include "client/lib/units.h"
#include "daemon/base/error.h"
#include "daemon/base/signals.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

// An error of a flag's value: misuse, with the flag's name before it.
absl::Status InFlag(const char* flag, const absl::Status& status) {
  return status.ok() ? status : Misuse(Annotate(status, flag));
}

template <typename Value>
absl::StatusOr<Value> InFlag(const char* flag, absl::StatusOr<Value> value) {
  if (!value.ok()) return InFlag(flag, value.status());
  return value;
}

// What is in CLI.md's vocabulary and has no meaning yet: refused by name.
void DeclareNotYet(Arguments& arguments) {
  for (const char* name : {"--system", "--ephemeral", "--vnc"}) {
    arguments.NotYet(name, false);
  }
  for (const char* name :
       {"--health-cmd", "--health-interval", "--on-unhealthy",
        "--depends-on", "--gpus", "--platform", "--arch", "--profile", "--cloud-init", "--iso",
        "--firmware", "--kernel", "--initrd", "--cmdline", "--ssh-key"}) {
    arguments.NotYet(name, true);
  }
}

absl::Status TooManyWords(const std::vector<std::string>& words, size_t taken) {
  std::string rest =
      absl::StrJoin(words.begin() + static_cast<std::ptrdiff_t>(taken), words.end(), " ");
  return UsageError(absl::StrCat("\"", rest, "\" has no meaning here"),
                    absl::StrCat("put the command behind --: … -- ", rest));
}

// IMAGE, or [NAME] when --image is given.
absl::Status FillNames(const SpecFlags& flags, v1::Workload* workload) {
  if (flags.words.size() > 1) return TooManyWords(flags.words, 1);
  std::string word = flags.words.empty() ? "" : flags.words.front();
  workload->set_name(flags.name);
  workload->mutable_spec()->set_image(flags.image.empty() ? word : flags.image);
  if (workload->spec().image().empty()) {
    return UsageError("which image?", "name it, e.g. busybox; vxctl image ls shows what there is");
  }
  if (flags.image.empty() || word.empty()) return absl::OkStatus();
  if (!flags.name.empty()) return UsageError("the name is given twice, by --name and as a word");
  workload->set_name(word);
  return absl::OkStatus();
}

absl::Status FillMaps(const SpecFlags& flags, v1::Workload* workload) {
  for (const std::string& label : flags.labels) {
    VX_RETURN_IF_ERROR(InFlag("--label", AddLabel(label, workload->mutable_labels())));
  }
  StringMap* env = workload->mutable_spec()->mutable_env();
  for (const std::string& file : flags.env_files) {
    VX_RETURN_IF_ERROR(InFlag("--env-file", AddEnvFile(file, env)));
  }
  for (const std::string& variable : flags.env) {
    VX_RETURN_IF_ERROR(InFlag("--env", AddEnv(variable, env)));
  }
  return absl::OkStatus();
}

absl::Status FillOutside(const SpecFlags& flags, v1::WorkloadSpec* spec) {
  for (const std::string& network : flags.networks) spec->add_networks(network);
  for (const std::string& address : flags.addresses) spec->add_addresses(address);
  for (const std::string& alias : flags.aliases) spec->add_aliases(alias);
  for (const std::string& server : flags.dns) spec->add_dns(server);
  spec->set_mac(flags.mac);
  VX_RETURN_IF_ERROR(FillPorts(flags.ports, spec));
  for (const std::string& text : flags.volumes) {
    VX_ASSIGN_OR_RETURN(*spec->add_mounts(), InFlag("--volume", ParseMount(text)));
  }
  return FillSecurity(flags.security, spec);
}

absl::Status FillEnd(const SpecFlags& flags, v1::WorkloadSpec* spec) {
  spec->set_remove_on_exit(flags.remove);
  spec->set_autostart(flags.autostart);
  spec->set_stop_signal(flags.stop_signal);
  if (flags.restart.has_value()) {
    VX_ASSIGN_OR_RETURN(auto policy, InFlag("--restart", ParseRestart(*flags.restart)));
    spec->set_restart(policy);
  }
  if (flags.stop_timeout.has_value()) {
    VX_ASSIGN_OR_RETURN(absl::Duration grace,
                        InFlag("--stop-timeout", client::ParseDuration(*flags.stop_timeout)));
    *spec->mutable_stop_grace() =
        google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(grace));
  }
  return absl::OkStatus();
}

void FillCommand(const SpecFlags& flags, v1::WorkloadSpec* spec) {
  for (const std::string& word : flags.command) spec->add_command(word);
  if (flags.entrypoint.has_value()) spec->add_entrypoint(*flags.entrypoint);
  spec->set_working_dir(flags.workdir);
  spec->set_user(flags.user);
  spec->set_hostname(flags.hostname);
  spec->set_stdin(flags.interactive);
  spec->set_tty(flags.tty);
}

absl::Status FillShares(const SpecFlags& flags, v1::Resources* resources) {
  if (flags.cpu_weight.has_value()) {
    VX_ASSIGN_OR_RETURN(int64_t weight,
                        InFlag("--cpu-weight", client::ParseNumber(*flags.cpu_weight, "weight")));
    resources->set_cpu_weight(weight);
  }
  if (flags.cpuset.has_value()) {
    VX_RETURN_IF_ERROR(InFlag("--cpuset", CheckText(*flags.cpuset)));
    resources->set_cpuset(*flags.cpuset);
  }
  if (flags.memory_reservation.has_value()) {
    VX_ASSIGN_OR_RETURN(int64_t bytes, InFlag("--memory-reservation",
                                              client::ParseSize(*flags.memory_reservation)));
    resources->set_memory_reservation_bytes(bytes);
  }
  if (flags.swap.has_value()) {
    VX_ASSIGN_OR_RETURN(int64_t bytes, InFlag("--swap", client::ParseSize(*flags.swap)));
    resources->set_swap_bytes(bytes);
  }
  if (flags.network_in.has_value()) {
    VX_ASSIGN_OR_RETURN(int64_t bytes, InFlag("--network-in", client::ParseSize(*flags.network_in)));
    resources->set_network_receive_bytes(bytes);
  }
  if (flags.network_out.has_value()) {
    VX_ASSIGN_OR_RETURN(int64_t bytes,
                        InFlag("--network-out", client::ParseSize(*flags.network_out)));
    resources->set_network_send_bytes(bytes);
  }
  return absl::OkStatus();
}

}  // namespace

void DeclareResources(Arguments& arguments, SpecFlags* flags) {
  arguments.Option("--cpus", &flags->cpus, "N", "How many cpus' worth of time, e.g. 0.5");
  arguments.Option("-m,--memory", &flags->memory, "SIZE", "Memory, e.g. 512M");
  arguments.Option("--pids", &flags->pids, "N", "Processes and threads in a container");
  arguments.Option("--cpu-weight", &flags->cpu_weight, "1-10000",
                   "Its part of busy cpus; the others' is 100");
  arguments.Option("--cpuset", &flags->cpuset, "LIST", "Cpus that it may run on, e.g. 0-2,4");
  arguments.Option("--memory-reservation", &flags->memory_reservation, "SIZE",
                   "Memory that is left to it while others have some to give back");
  arguments.Option("--swap", &flags->swap, "SIZE", "Swap on top of its memory; default none");
  arguments.Option("--network-in", &flags->network_in, "SIZE",
                   "Bytes a second that it may receive on each network");
  arguments.Option("--network-out", &flags->network_out, "SIZE",
                   "Bytes a second that it may send on each network");
}

void DeclareSpec(Arguments& arguments, SpecFlags* flags) {
  arguments.Words("IMAGE", &flags->words, "The image; or the name, when --image says which", false);
  arguments.Command(&flags->command);
  arguments.Option("--kind", &flags->kind, "KIND", "container or vm");
  arguments.Option("--name", &flags->name, "NAME", "Its name; chosen for you when left out");
  arguments.Option("--image", &flags->image, "IMAGE", "The image");
  DeclareResources(arguments, flags);
  arguments.Option("--disk", &flags->disk, "SIZE", "Root disk of a VM");
  arguments.List("-e,--env", &flags->env, "K=V", "A variable; K alone takes it from here");
  arguments.List("--env-file", &flags->env_files, "FILE", "Variables, one a line");
  arguments.List("-l,--label", &flags->labels, "K=V", "A mark of your own");
  arguments.Option("-w,--workdir", &flags->workdir, "DIR", "Where the command starts");
  arguments.Option("-u,--user", &flags->user, "USER[:GROUP]", "As whom the command runs");
  arguments.Option("--entrypoint", &flags->entrypoint, "PROGRAM", "In place of the image's");
  arguments.Option("--hostname", &flags->hostname, "NAME", "Host name inside");
  arguments.List("--network", &flags->networks, "NETWORK",
                 "Network to join; none: loopback alone; host: a container on the host's own");
  arguments.List("--ip", &flags->addresses, "ADDRESS", "Address on one of its networks");
  arguments.Option("--mac", &flags->mac, "MAC", "Hardware address on its first network");
  arguments.List("--network-alias", &flags->aliases, "NAME", "Another name on its networks");
  arguments.List("--dns", &flags->dns, "ADDRESS", "Server to ask for names");
  arguments.List("-p,--publish", &flags->ports, "[IP:]HOST:GUEST[/udp]",
                 "A port of the host, or a range: 8000-8009:80-89");
  arguments.List("-v,--volume", &flags->volumes, "SOURCE:/PATH[:ro]",
                 "A volume, made where it is missing, or a host path");
  arguments.Option("--restart", &flags->restart, "POLICY",
                   "no, on-failure, always or unless-stopped");
  arguments.Flag("--rm", &flags->remove, "Delete it once it has stopped");
  arguments.Flag("--autostart", &flags->autostart, "Start it whenever the host was booted");
  arguments.Option("--stop-signal", &flags->stop_signal, "SIGNAL", "Asks it to end");
  arguments.Option("--stop-timeout,--stop-grace", &flags->stop_timeout, "TIME",
                   "How long a stop waits before it kills");
  arguments.Flag("-i,--interactive", &flags->interactive, "Keep its input open, and pass stdin on");
  arguments.Flag("-t,--tty", &flags->tty, "Give it a terminal");
  DeclareSecurity(arguments, &flags->security);
  DeclareNotYet(arguments);
}

absl::Status FillResources(const SpecFlags& flags, v1::Resources* resources) {
  if (flags.cpus.has_value()) {
    VX_ASSIGN_OR_RETURN(double cpus, InFlag("--cpus", client::ParseCpus(*flags.cpus)));
    resources->set_cpus(cpus);
  }
  if (flags.memory.has_value()) {
    VX_ASSIGN_OR_RETURN(int64_t bytes, InFlag("--memory", client::ParseSize(*flags.memory)));
    resources->set_memory_bytes(bytes);
  }
  if (flags.disk.has_value()) {
    VX_ASSIGN_OR_RETURN(int64_t bytes, InFlag("--disk", client::ParseSize(*flags.disk)));
    resources->set_disk_bytes(bytes);
  }
  if (flags.pids.has_value()) {
    VX_ASSIGN_OR_RETURN(int64_t pids,
                        InFlag("--pids", client::ParseNumber(*flags.pids, "processes")));
    resources->set_pids(pids);
  }
  return FillShares(flags, resources);
}

absl::Status FillPorts(const std::vector<std::string>& texts, v1::WorkloadSpec* spec) {
  for (const std::string& text : texts) {
    VX_ASSIGN_OR_RETURN(*spec->add_ports(), InFlag("--publish", ParsePort(text)));
  }
  return absl::OkStatus();
}

std::vector<std::string> GivenResources(const SpecFlags& flags) {
  const std::pair<const std::optional<std::string>*, const char*> fields[] = {
      {&flags.cpus, "cpus"},
      {&flags.memory, "memory_bytes"},
      {&flags.disk, "disk_bytes"},
      {&flags.pids, "pids"},
      {&flags.cpu_weight, "cpu_weight"},
      {&flags.cpuset, "cpuset"},
      {&flags.memory_reservation, "memory_reservation_bytes"},
      {&flags.swap, "swap_bytes"},
      {&flags.network_in, "network_receive_bytes"},
      {&flags.network_out, "network_send_bytes"}};
  std::vector<std::string> given;
  for (const auto& [value, name] : fields) {
    if (value->has_value()) given.emplace_back(name);
  }
  return given;
}

absl::StatusOr<v1::Workload> ToWorkload(const SpecFlags& flags) {
  v1::Workload workload;
  VX_ASSIGN_OR_RETURN(v1::Kind kind, InFlag("--kind", ParseKind(flags.kind)));
  workload.set_kind(kind);
  VX_RETURN_IF_ERROR(FillNames(flags, &workload));
  VX_RETURN_IF_ERROR(FillMaps(flags, &workload));
  v1::WorkloadSpec* spec = workload.mutable_spec();
  FillCommand(flags, spec);
  if (!GivenResources(flags).empty())
    VX_RETURN_IF_ERROR(FillResources(flags, spec->mutable_resources()));
  VX_RETURN_IF_ERROR(FillOutside(flags, spec));
  VX_RETURN_IF_ERROR(FillEnd(flags, spec));
  return workload;
}

}  // namespace vx::cli
