#pragma once
// EXPECT_ERROR(statement, Exit::missing, "whole message")
#include <gtest/gtest.h>

#include "base/error.hpp"

#define EXPECT_ERROR(statement, exit_code, message)             \
  try {                                                         \
    statement;                                                  \
    ADD_FAILURE() << #statement " throws nothing";              \
  } catch (const ddls::Error& error) {                          \
    EXPECT_EQ(error.code(), exit_code);                         \
    EXPECT_EQ(std::string(error.what()), std::string(message)); \
  }
