#include "client/cli/command_line.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/errors.h"

namespace vx::cli {

struct Arguments::State {
  // Names of the flags that take a value.
  std::vector<std::string> valued;
  // Where what stands behind "--" goes; null: it is words like all others.
  std::vector<std::string>* command = nullptr;
  // The action of each verb, by its app.
  std::vector<std::pair<CLI::App*, Action>> actions;
};

namespace {

// Thrown by a flag that is refused; CLI11 lets it through.
struct Refused {
  absl::Status status;
};

// "-m,--memory" as a user would name it: "--memory".
std::string LongName(const std::string& names) { return names.substr(names.rfind(',') + 1); }

std::unique_ptr<CLI::App> MakeApp() {
  auto app =
      std::make_unique<CLI::App>("Runs virtual machines and containers side by side.", "vxctl");
  app->set_help_flag("-h,--help", "This help");
  app->require_subcommand(0, 1);
  app->get_formatter()->column_width(34);
  app->footer("vxctl VERB --help says more of a verb.");
  return app;
}

bool TakesValue(const Arguments::State& state, const std::string& word) {
  return absl::c_linear_search(state.valued, word);
}

// Where the verb is; words.size() when there is none.
size_t FindVerb(const std::vector<std::string>& words, const Arguments::State& state) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--") break;
    if (!absl::StartsWith(words[i], "-")) return i;
    if (TakesValue(state, words[i])) ++i;
  }
  return words.size();
}

const Verb* Lookup(const std::vector<Verb>& verbs, const std::string& name) {
  for (const Verb& verb : verbs) {
    if (verb.name == name || absl::c_linear_search(verb.aliases, name)) return &verb;
  }
  return nullptr;
}

absl::Status UnknownVerb(const std::string& name, const std::vector<Verb>& verbs,
                         const std::vector<std::string>& later) {
  if (absl::c_linear_search(later, name)) return NotYetError(absl::StrCat("vxctl ", name));
  auto names = [](std::string* out, const Verb& verb) { absl::StrAppend(out, verb.name); };
  return UsageError(absl::StrCat("there is no verb \"", name, "\""),
                    absl::StrCat("verbs: ", absl::StrJoin(verbs, " ", names)));
}

// Takes the words behind the first "--" out of `words` when the verb wants them.
void TakeCommand(const Arguments::State& state, std::vector<std::string>* words) {
  auto dashes = absl::c_find(*words, "--");
  if (dashes == words->end() || state.command == nullptr) return;
  state.command->assign(dashes + 1, words->end());
  words->erase(dashes, words->end());
}

// The deepest verb that the line named.
CLI::App* Deepest(CLI::App* app) {
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

std::string FullName(const CLI::App* app) {
  std::string name = app->get_name();
  for (app = app->get_parent(); app != nullptr; app = app->get_parent()) {
    name = absl::StrCat(app->get_name(), " ", name);
  }
  return name;
}

std::string HelpOf(CLI::App* app) {
  CLI::App* verb = Deepest(app);
  std::string parent = verb->get_parent() == nullptr ? "" : FullName(verb->get_parent());
  return verb->help(parent);
}

Action FindAction(const Arguments::State& state, const CLI::App* app) {
  for (const auto& [verb, action] : state.actions) {
    if (verb == app) return action;
  }
  return nullptr;
}

absl::Status MissingVerb(CLI::App* app) {
  if (app->get_parent() == nullptr) {
    return UsageError("no verb was given", "vxctl --help lists the verbs");
  }
  std::vector<std::string> names;
  for (CLI::App* verb : app->get_subcommands({})) names.push_back(verb->get_name());
  return UsageError(absl::StrCat(FullName(app), " wants one of its verbs"),
                    absl::StrCat("verbs: ", absl::StrJoin(names, " ")));
}

Parsed Parse(CLI::App* app, const Arguments::State& state, std::vector<std::string> words) {
  // CLI11 takes them from the back.
  std::reverse(words.begin(), words.end());
  try {
    app->parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    return {nullptr, HelpOf(app), absl::OkStatus()};
  } catch (const CLI::ParseError& error) {
    std::string hint = absl::StrCat(FullName(Deepest(app)), " --help shows how to use it");
    return {nullptr, "", UsageError(error.what(), hint)};
  } catch (const Refused& refused) {
    return {nullptr, "", refused.status};
  }
  Action action = FindAction(state, Deepest(app));
  if (action == nullptr) return {nullptr, "", MissingVerb(Deepest(app))};
  return {std::move(action), "", absl::OkStatus()};
}

// `vxctl help VERB` is `vxctl VERB --help`.
void RewriteHelp(std::vector<std::string>* words, size_t at) {
  if (at >= words->size() || (*words)[at] != "help") return;
  words->erase(words->begin() + static_cast<std::ptrdiff_t>(at));
  words->push_back("--help");
}

// All verbs by name only, for the help.
std::string Overview(CLI::App* app, const std::vector<Verb>& verbs) {
  for (const Verb& verb : verbs) app->add_subcommand(verb.name, verb.help);
  return app->help();
}

CLI::App* AddVerb(CLI::App* app, const std::string& name, const std::string& help) {
  CLI::App* verb = app->add_subcommand(name, help);
  verb->fallthrough();
  verb->require_subcommand(0, 1);
  verb->footer("");
  return verb;
}

}  // namespace

CLI::Option* Arguments::AddOption(const std::string& names, std::function<void(std::string)> take,
                                  const std::string& type, const std::string& help) {
  for (absl::string_view name : absl::StrSplit(names, ',')) state_->valued.emplace_back(name);
  CLI::callback_t all = [take = std::move(take)](const CLI::results_t& results) {
    for (const std::string& result : results) take(result);
    return true;
  };
  return app_->add_option(names, all, help)->type_name(type);
}

void Arguments::Flag(const std::string& names, bool* value, const std::string& help) {
  app_->add_flag(names, *value, help);
}

void Arguments::Option(const std::string& names, std::string* value, const std::string& type,
                       const std::string& help) {
  AddOption(names, [value](std::string text) { *value = std::move(text); }, type, help);
}

void Arguments::Option(const std::string& names, std::optional<std::string>* value,
                       const std::string& type, const std::string& help) {
  AddOption(names, [value](std::string text) { *value = std::move(text); }, type, help);
}

void Arguments::List(const std::string& names, std::vector<std::string>* values,
                     const std::string& type, const std::string& help) {
  AddOption(
      names, [values](std::string text) { values->push_back(std::move(text)); }, type, help)
      ->expected(CLI::detail::expected_max_vector_size)
      ->allow_extra_args(false);
}

void Arguments::NotYet(const std::string& names, bool takes_value) {
  auto refuse = [name = LongName(names)] { throw Refused{NotYetError(name)}; };
  CLI::Option* option = nullptr;
  if (takes_value) {
    option = AddOption(
                 names, [refuse](const std::string&) { refuse(); }, "", "")
                 ->expected(CLI::detail::expected_max_vector_size)
                 ->allow_extra_args(false);
  } else {
    option = app_->add_flag_function(names, [refuse](int64_t) { refuse(); });
  }
  option->group("");
}

void Arguments::Word(const std::string& name, std::string* value, const std::string& help) {
  AddOption(name, [value](std::string text) { *value = std::move(text); }, "", help)->required();
}

void Arguments::OptionalWord(const std::string& name, std::string* value, const std::string& help) {
  AddOption(name, [value](std::string text) { *value = std::move(text); }, "", help);
}

void Arguments::Words(const std::string& name, std::vector<std::string>* values,
                      const std::string& help, bool required) {
  AddOption(
      name, [values](std::string text) { values->push_back(std::move(text)); }, "", help)
      ->expected(CLI::detail::expected_max_vector_size)
      ->required(required);
}

void Arguments::Command(std::vector<std::string>* words) { state_->command = words; }

void Arguments::Example(const std::string& text) {
  app_->footer(absl::StrCat("Examples:\n  ", absl::StrJoin(absl::StrSplit(text, '\n'), "\n  ")));
}

void Arguments::Verb(const std::string& name, const std::string& help,
                     const std::function<Action(Arguments&)>& declare) {
  CLI::App* verb = AddVerb(app_, name, help);
  Arguments arguments(verb, state_);
  Action action = declare(arguments);
  if (action) state_->actions.emplace_back(verb, std::move(action));
}

Parsed ParseCommandLine(std::vector<std::string> words, const std::vector<Verb>& verbs,
                        const std::vector<std::string>& later,
                        const std::function<void(Arguments&)>& globals) {
  std::unique_ptr<CLI::App> app = MakeApp();
  Arguments::State state;
  Arguments top(app.get(), &state);
  globals(top);
  RewriteHelp(&words, FindVerb(words, state));
  size_t at = FindVerb(words, state);
  if (at == words.size()) {
    bool help = absl::c_any_of(words, [](const auto& w) { return w == "-h" || w == "--help"; });
    if (help) return {nullptr, Overview(app.get(), verbs), absl::OkStatus()};
    return Parse(app.get(), state, std::move(words));
  }
  const cli::Verb* verb = Lookup(verbs, words[at]);
  if (verb == nullptr) return {nullptr, "", UnknownVerb(words[at], verbs, later)};
  words[at] = verb->name;
  top.Verb(verb->name, verb->help, verb->declare);
  TakeCommand(state, &words);
  return Parse(app.get(), state, std::move(words));
}

}  // namespace vx::cli
