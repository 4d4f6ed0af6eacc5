#include "plugins/fake/program.h"

#include <cerrno>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace vx::fake {
namespace {

const std::set<std::string>& Verbs() {
  static const auto* verbs = new std::set<std::string>{
      "true",   "false", "exit",      "echo", "echo-err", "echo-n",   "sleep",
      "tick",   "on",    "trap-term", "oom",  "lose",     "write",    "read",
      "memory", "cpus",  "env",       "pwd",  "sh",       "hostname", "crash"};
  return *verbs;
}

std::string Unquote(absl::string_view word) {
  const bool quoted = word.size() >= 2 && word.front() == word.back() &&
                      (word.front() == '\'' || word.front() == '"');
  return std::string(quoted ? word.substr(1, word.size() - 2) : word);
}

std::vector<std::string> WordsOfShell(absl::string_view text) {
  std::vector<std::string> words;
  for (absl::string_view step : absl::StrSplit(text, ';')) {
    for (absl::string_view word : absl::StrSplit(step, ' ', absl::SkipWhitespace())) {
      words.push_back(Unquote(absl::StripAsciiWhitespace(word)));
    }
    words.push_back(";");
  }
  return words;
}

Step MakeStep(std::vector<std::string> words) {
  if (words[0] == "trap-term") return {"on", {"TERM", "true"}};
  Step step{words[0], {}};
  step.args.assign(words.begin() + 1, words.end());
  return step;
}

}  // namespace

std::string Step::Arg(size_t index, const std::string& fallback) const {
  return index < args.size() ? args[index] : fallback;
}

std::vector<Step> ParseProgram(const std::vector<std::string>& argv) {
  if (argv.size() == 3 && argv[0] == "sh" && argv[1] == "-c") {
    return ParseProgram(WordsOfShell(argv[2]));
  }
  std::vector<Step> steps;
  std::vector<std::string> words;
  auto finish = [&] {
    if (!words.empty()) steps.push_back(MakeStep(std::move(words)));
    words.clear();
  };
  for (const std::string& word : argv) {
    if (word == ";") {
      finish();
    } else {
      words.push_back(word);
    }
  }
  finish();
  return steps;
}

int ExecError(const Step& step) {
  if (step.verb == "/not-executable") return EACCES;
  return Verbs().contains(step.verb) ? 0 : ENOENT;
}

}  // namespace vx::fake
