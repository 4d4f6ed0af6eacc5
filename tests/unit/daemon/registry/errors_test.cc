#include "daemon/registry/errors.h"

#include <gtest/gtest.h>

namespace vx::registry {
namespace {

TEST(RegistrysMessage, IsTheFirstOfItsErrors) {
  EXPECT_EQ(MessageOf(R"({"errors":[{"code":"X","message":"not here"},{"code":"Y"}]})"),
            "not here");
  EXPECT_EQ(MessageOf(R"({"errors":[{"code":"DENIED"}]})"), "DENIED");
}

TEST(RegistrysMessage, IsNothingWhereThereIsNone) {
  for (const char* body : {"", "<html>", "{}", "[]", R"({"errors":[]})", R"({"errors":[1]})",
                           R"({"errors":{"message":"x"}})"}) {
    EXPECT_EQ(MessageOf(body), "") << body;
  }
}

TEST(RegistrysMessage, IsBoundedAndHasNoControls) {
  std::string text = MessageOf(R"({"errors":[{"message":"a\u001bb)" + std::string(5000, 'c') +
                               R"("}]})");
  EXPECT_EQ(text.substr(0, 4), "a bc");
  EXPECT_LT(text.size(), 400u);
}

}  // namespace
}  // namespace vx::registry
