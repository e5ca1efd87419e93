#include "pipeline/run.hpp"

#include "base/json_fields.hpp"
#include "mpi/world.hpp"
#include "scratch_folder.hpp"
#include "unit/pipeline/tiny_runs.hpp"

namespace ddls::test::run_test {
namespace {

namespace fs = std::filesystem;

pipeline::Run run_in(const fs::path& folder, train::Resume resume = train::Resume::automatic) {
  return {tiny_points(), folder, resume, world(), train::RunLog(folder, true, false), {}, {}};
}

train::RunLog log_of(const fs::path& folder, const pipeline::RunOptions& options) {
  return pipeline::open_run_log(folder, tiny_points(), world(), options, {{"data", "toy"}});
}

std::vector<std::string> commands_in(const Json& run_json) {
  std::vector<std::string> commands;
  for (const Json& start : run_json["starts"]) commands.push_back(start["command"]);
  return commands;
}

TEST(FolderOf, an_option_goes_before_the_configuration) {
  config::Config config = tiny_points();
  EXPECT_EQ(pipeline::folder_of({}, config), "runs/points");
  config.output.directory = "results";
  EXPECT_EQ(pipeline::folder_of({}, config), "results");
  EXPECT_EQ(pipeline::folder_of({.out = "mine"}, config), "mine");
}

TEST(NoteSeconds, starts_add_up_and_stages_are_apart) {
  const ScratchFolder folder;
  auto run = run_in(folder.path());
  pipeline::note_seconds(run, "train", 1.5);
  pipeline::note_seconds(run, "train", 2);
  pipeline::note_seconds(run, "sample", 4);
  EXPECT_EQ(read_json_object(folder / "seconds.json"), (Json{{"train", 3.5}, {"sample", 4.0}}));
  auto anew = run_in(folder.path(), train::Resume::never);
  pipeline::note_seconds(anew, "train", 1);
  EXPECT_EQ(read_json_object(folder / "seconds.json"), (Json{{"train", 1.0}, {"sample", 4.0}}));
}

TEST(NoteSeconds, a_damaged_file_is_begun_anew) {
  const ScratchFolder folder;
  auto run = run_in(folder.path());
  for (const char* damaged : {"{\"train\": 1", "[]", ""}) {
    put_bytes(folder / "seconds.json", damaged);
    pipeline::note_seconds(run, "train", 2);
    EXPECT_EQ(read_json_object(folder / "seconds.json"), (Json{{"train", 2.0}})) << damaged;
  }
}

TEST(OpenRunLog, run_json_keeps_a_line_of_every_start_that_worked) {
  const ScratchFolder folder;
  log_of(folder.path(), {.command = "train"}).work_begins();
  log_of(folder.path(), {.command = "pipeline"});  // refused, or without work
  log_of(folder.path(), {.command = "sample"}).work_begins();
  const Json record = read_json_object(folder / "run.json");
  EXPECT_EQ(record["command"], "sample");
  EXPECT_EQ(record["data"], "toy");
  EXPECT_EQ(record["seed"], 1);
  EXPECT_EQ(record["places"].size(), 1U);
  EXPECT_EQ(commands_in(record), (std::vector<std::string>{"train", "sample"}));
  EXPECT_TRUE(contains(get_bytes(folder / "config.yaml"), "name: points"));
}

TEST(OpenRunLog, what_no_start_can_be_read_from_is_replaced) {
  const ScratchFolder folder;
  for (const char* damaged : {"{\"starts\": [", "[1]", "{\"starts\": 1}"}) {
    put_bytes(folder / "run.json", damaged);
    log_of(folder.path(), {}).work_begins();
    EXPECT_EQ(commands_in(read_json_object(folder / "run.json")), std::vector<std::string>{"pipeline"}) << damaged;
  }
}

TEST(OpenRunLog, nothing_is_written_before_the_work_nor_by_a_part) {
  const ScratchFolder folder;
  log_of(folder.path(), {});
  EXPECT_FALSE(fs::exists(folder / "run.json"));
  log_of(folder.path(), {.shard = {0, 2}}).work_begins();
  EXPECT_FALSE(fs::exists(folder / "run.json"));
  EXPECT_FALSE(fs::exists(folder / "config.yaml"));
}

TEST(OpenRun, refuses_what_would_fail_later) {
  const ScratchFolder scratch;
  const auto refusal = [&](const config::Config& config) {
    return thrown_by([&] { pipeline::open_run(config, {.out = scratch / "run"}, world()); });
  };
  config::Config config = tiny_points();
  config.model.classes = 4;
  EXPECT_EQ(refusal(config).code, Exit::config);  // points have no labels
  config = tiny_points();
  config.train.calibration.method = "platt";
  config.train.calibration.held_out = 1200;  // all of them
  EXPECT_EQ(refusal(config).code, Exit::config);
  config = tiny_images(scratch / "data");
  config.data.test.clear();
  const Thrown reference = refusal(config);
  EXPECT_EQ(reference.code, Exit::config);
  EXPECT_TRUE(contains(reference.message, "evaluate.reference=train")) << reference.message;
  config.data.train = (scratch / "none.npz").string();
  EXPECT_EQ(refusal(config).code, Exit::missing);
  config = tiny_images(scratch / "data");
  config.model.classes = 3;
  const Thrown labels = refusal(config);
  EXPECT_EQ(labels.code, Exit::config);
  EXPECT_TRUE(contains(labels.message, "labels up to 3")) << labels.message;
}

TEST(OpenRun, deals_the_training_set_where_something_is_fitted) {
  const ScratchFolder scratch;
  config::Config config = tiny_points();
  EXPECT_EQ(pipeline::open_run(config, {.out = scratch / "run"}, world()).seen.size(), 1200);
  config.train.calibration.method = "platt";
  config.train.calibration.held_out = 200;
  const auto run = pipeline::open_run(config, {.out = scratch / "run"}, world());
  EXPECT_EQ(run.seen.size(), 1000);
  EXPECT_EQ(run.held_out.size(), 200);
  EXPECT_GT(run.config.train.shards, 0);  // `auto` is resolved
}

}  // namespace
}  // namespace ddls::test::run_test
