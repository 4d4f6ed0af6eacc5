// The words and flags of one verb: a thin layer over CLI11 that keeps its header
// in one source file.
//
// What is declared here is filled in by parsing; a value stays as it was when its
// flag is not given. Flags are named as "-m,--memory".
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace vx::cli {

class Context;

// What a verb does once its arguments are known; its result is the exit status.
using Action = std::function<int(Context&)>;

class Arguments {
 public:
  // What declaring leaves for the parser; see command_line.cc.
  struct State;

  // Borrows both.
  Arguments(CLI::App* app, State* state) : app_(app), state_(state) {}

  void Flag(const std::string& names, bool* value, const std::string& help);
  void Option(const std::string& names, std::string* value, const std::string& type,
              const std::string& help);
  void Option(const std::string& names, std::optional<std::string>* value, const std::string& type,
              const std::string& help);
  // May be given several times, one value each.
  void List(const std::string& names, std::vector<std::string>* values, const std::string& type,
            const std::string& help);
  // Not in the help and always refused: "--x is not supported yet".
  void NotYet(const std::string& names, bool takes_value);

  // Words without a dash, in the order of their declaration.
  void Word(const std::string& name, std::string* value, const std::string& help);
  void OptionalWord(const std::string& name, std::string* value, const std::string& help);
  // All that are left; at least one where `required`.
  void Words(const std::string& name, std::vector<std::string>* values, const std::string& help,
             bool required);
  // What stands behind "--", as it is. A verb without it takes that as words.
  void Command(std::vector<std::string>* words);

  // Shown at the end of the help.
  void Example(const std::string& text);

  // A verb below this one ("image ls"), which the line must then name.
  void Verb(const std::string& name, const std::string& help,
            const std::function<Action(Arguments&)>& declare);

 private:
  CLI::Option* AddOption(const std::string& names, std::function<void(std::string)> take,
                         const std::string& type, const std::string& help);

  CLI::App* app_;
  State* state_;
};

}  // namespace vx::cli
