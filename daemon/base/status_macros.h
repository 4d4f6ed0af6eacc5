// Early return for absl::Status and absl::StatusOr.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define VX_RETURN_IF_ERROR(expr)                                            \
  do {                                                                      \
    if (absl::Status vx_status = (expr); !vx_status.ok()) return vx_status; \
  } while (false)

#define VX_MACRO_CONCAT_INNER(a, b) a##b
#define VX_MACRO_CONCAT(a, b) VX_MACRO_CONCAT_INNER(a, b)

// VX_ASSIGN_OR_RETURN(auto value, F()): `value` is what F() holds, or F()'s error
// is returned.
#define VX_ASSIGN_OR_RETURN(lhs, expr) \
  VX_ASSIGN_OR_RETURN_IMPL(VX_MACRO_CONCAT(vx_statusor_, __LINE__), lhs, expr)
#define VX_ASSIGN_OR_RETURN_IMPL(var, lhs, expr) \
  auto var = (expr);                             \
  if (!var.ok()) return std::move(var).status(); \
  lhs = *std::move(var)
