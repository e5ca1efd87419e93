#include "base/work_claims.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>
#include <vector>

#include "base/files.hpp"
#include "expect_error.hpp"
#include "scratch.hpp"

namespace ddls::work_claims_test {
namespace {

using test::Scratch;
using namespace std::chrono_literals;
constexpr ClaimLimits quick{.touched_every = 20ms, .same_machine = 300ms, .other_machine = 300ms};

// A process that has taken a piece when this returns; it is what it is until it is killed.
pid_t owner_of(const fs::path& folder, const std::string& piece) {
  const pid_t child = fork();
  if (child == 0) {
    WorkClaims claims(folder, quick);
    if (!claims.take(piece)) _exit(1);
    std::ofstream(folder / "taken") << "yes";
    for (;;) pause();
  }
  while (!fs::exists(folder / "taken")) std::this_thread::sleep_for(1ms);
  fs::remove(folder / "taken");
  return child;
}

void end(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

// Whether the piece becomes this process's within the time.
bool gets(WorkClaims& claims, const std::string& piece, std::chrono::milliseconds time) {
  for (const auto until = std::chrono::steady_clock::now() + time; std::chrono::steady_clock::now() < until;
       std::this_thread::sleep_for(5ms))
    if (claims.take(piece)) return true;
  return false;
}

TEST(WorkClaims, OnePieceHasOneOwner) {
  const Scratch scratch;
  WorkClaims one(scratch.path(), quick), other(scratch.path(), quick);
  EXPECT_TRUE(one.take("a"));
  EXPECT_TRUE(other.take("b"));
  EXPECT_FALSE(gets(other, "a", 700ms)) << "it is touched all the time";
  EXPECT_FALSE(one.take("b"));
  one.release("a");
  EXPECT_TRUE(other.take("a"));
  EXPECT_EQ(other.taken_from(), "");
}

TEST(WorkClaims, EndLetsGo) {
  const Scratch scratch;
  {
    WorkClaims one(scratch.path(), quick);
    ASSERT_TRUE(one.take("a"));
  }
  WorkClaims other(scratch.path(), quick);
  EXPECT_TRUE(other.take("a"));
}

TEST(WorkClaims, ADeadProcessLosesItsPieceAtOnce) {
  const Scratch scratch;
  const pid_t child = owner_of(scratch.path(), "a");
  WorkClaims claims(scratch.path(), {.touched_every = 20ms, .same_machine = 1h, .other_machine = 1h});
  EXPECT_FALSE(claims.take("a"));
  end(child);
  EXPECT_TRUE(claims.take("a"));
  EXPECT_EQ(claims.taken_from().find("process " + std::to_string(child) + " of "), 0U) << claims.taken_from();
}

TEST(WorkClaims, AStoppedProcessLosesItsPieceInTime) {
  const Scratch scratch;
  const pid_t child = owner_of(scratch.path(), "a");
  WorkClaims claims(scratch.path(), quick);
  EXPECT_FALSE(gets(claims, "a", 600ms)) << "its owner lives";
  kill(child, SIGSTOP);
  EXPECT_TRUE(gets(claims, "a", 5s));
  // It comes back, and neither touches nor removes what is another's now.
  kill(child, SIGCONT);
  std::this_thread::sleep_for(100ms);
  WorkClaims third(scratch.path(), quick);
  EXPECT_FALSE(gets(third, "a", 600ms));
  end(child);
  EXPECT_FALSE(third.take("a"));
}

TEST(WorkClaims, AHalfWrittenClaimIsTakenInTime) {
  const Scratch scratch;
  std::ofstream(scratch / "claim-a") << "[\"node";
  WorkClaims claims(scratch.path(), quick);
  EXPECT_FALSE(claims.take("a"));
  EXPECT_TRUE(gets(claims, "a", 5s));
  EXPECT_EQ(claims.taken_from(), "an unknown process");
}

TEST(WorkClaims, OfManyThatTakeOverOneHasThePiece) {
  const Scratch scratch;
  const pid_t child = owner_of(scratch.path(), "a");
  end(child);
  std::atomic<int> owners = 0;
  std::vector<std::jthread> threads;
  threads.reserve(6);
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([&] {
      WorkClaims claims(scratch.path(), quick);
      owners += claims.take("a") ? 1 : 0;
      std::this_thread::sleep_for(200ms);
    });
  threads.clear();
  EXPECT_EQ(owners, 1);
}

TEST(WorkClaims, AFolderThatCannotBeWritten) {
  const Scratch scratch;
  std::ofstream(scratch / "file") << "x";
  EXPECT_ERROR(WorkClaims(scratch / "file"), Exit::runtime,
               "cannot make folder " + (scratch / "file").string() + ": Not a directory");
}

}  // namespace
}  // namespace ddls::work_claims_test
