#include "dist/collective_log.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"
#include "base/json.hpp"
#include "scratch_folder.hpp"

namespace ddls::dist::collective_log_test {
namespace {

Collective sum_of(int64_t elements) {
  return {.operation = "all_reduce", .bytes = 4 * elements, .type = "float32", .elements = elements, .detail = "sum"};
}

Collective broadcast_of(int64_t elements, int root) {
  return {.operation = "broadcast", .bytes = 4 * elements, .type = "float32", .elements = elements, .root = root};
}

Collective rows_of(int64_t bytes) {
  return {.operation = "gather_rows", .bytes = bytes, .root = 0, .same_size = false};
}

TEST(CollectiveLog, KeepsTheNewest) {
  CollectiveLog log;
  for (uint64_t i = 1; i <= 100; ++i) {
    EXPECT_EQ(log.begin(sum_of(static_cast<int64_t>(i))), i);
    if (i != 98) log.end(i);
  }
  log.end(3);  // long gone
  const auto calls = log.newest();
  ASSERT_EQ(calls.size(), CollectiveLog::kept);
  for (size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(calls[i].number, 37 + i);
    EXPECT_EQ(calls[i].elements, static_cast<int64_t>(37 + i));
    EXPECT_EQ(calls[i].ended_s > 0, calls[i].number != 98);
    EXPECT_GT(calls[i].begun_s, 1.6e9);
  }
  ASSERT_EQ(log.newest(2).size(), 2U);
  EXPECT_EQ(log.newest(2).front().number, 99U);
  EXPECT_TRUE(CollectiveLog().newest().empty());
}

TEST(CollectiveLog, CallsThatDifferHaveOtherFingerprints) {
  const Collective all[] = {sum_of(1), sum_of(2), broadcast_of(1, 0), broadcast_of(1, 1), {"barrier"}, {"any", 8}};
  for (const Collective& a : all)
    for (const Collective& b : all) EXPECT_EQ(next_fingerprint(7, a) == next_fingerprint(7, b), &a == &b);
  EXPECT_NE(next_fingerprint(7, all[0]), next_fingerprint(8, all[0]));
  EXPECT_EQ(next_fingerprint(7, rows_of(10)), next_fingerprint(7, rows_of(20)));  // ranks may have other rows
}

TEST(CollectiveLog, SaysWhatACallIs) {
  EXPECT_EQ(text_of(sum_of(4096)), "all_reduce (sum) of 4096 float32");
  EXPECT_EQ(text_of(broadcast_of(3, 1)), "broadcast with root 1 of 3 float32");
  EXPECT_EQ(text_of({"barrier"}), "barrier");
  EXPECT_EQ(text_of({"on_root", 2048}), "on_root of 2 KiB");
}

TEST(FirstDifference, IsFoundAmongWhatBothKeep) {
  CollectiveLog a, b;
  for (int i = 0; i < 10; ++i) a.begin(sum_of(4)), b.begin(sum_of(4));
  EXPECT_FALSE(first_difference(a.newest(), b.newest(5)));
  a.begin(sum_of(4));  // one is ahead
  EXPECT_FALSE(first_difference(a.newest(), b.newest(5)));
  EXPECT_FALSE(first_difference(b.newest(), a.newest(5)));
  b.begin(broadcast_of(4, 1));
  for (int i = 0; i < 3; ++i) a.begin(sum_of(4)), b.begin(sum_of(4));
  const auto found = first_difference(a.newest(), b.newest(8));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->number, 11U);
  EXPECT_TRUE(found->exact);
  EXPECT_EQ(found->mine, "all_reduce (sum) of 4 float32");
  EXPECT_EQ(found->theirs, "broadcast with root 1 of 4 float32");
  const auto late = first_difference(a.newest(), b.newest(2));  // the call itself is no longer told
  ASSERT_TRUE(late);
  EXPECT_FALSE(late->exact);
  CollectiveLog c;
  c.begin({"barrier"});
  const auto first = first_difference(a.newest(), c.newest());
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->exact);
  EXPECT_EQ(first->number, 1U);
}

TEST(CollectiveLog, IsWrittenAndRemoved) {
  const test::ScratchFolder folder;
  keep_calls_in(folder.path().string());
  CollectiveLog log;
  log.end(log.begin(sum_of(4)));
  log.begin({"barrier"});
  write_calls(log, 3, 4, "a \"reason\"");
  const std::string file = calls_file(3);
  EXPECT_EQ(file, (folder.path() / "collectives.rank3.json").string());
  const Json json = Json::parse(read_file(file));
  EXPECT_EQ(json["rank"], 3);
  EXPECT_EQ(json["why"], "a \"reason\"");
  ASSERT_EQ(json["collectives"].size(), 2U);
  EXPECT_EQ(json["collectives"][0]["elements"], 4);
  EXPECT_GE(json["collectives"][0]["ended"].get<double>(), json["collectives"][0]["begun"].get<double>());
  EXPECT_TRUE(json["collectives"][1]["ended"].is_null());
  EXPECT_EQ(json["collectives"][1]["operation"], "barrier");
  remove_calls(3);
  EXPECT_FALSE(fs::exists(file));
  keep_calls_in("");
}

}  // namespace
}  // namespace ddls::dist::collective_log_test
