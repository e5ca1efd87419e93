// Runs on a generator that is given: the one command, its stages, what is refused before they begin.
#include "base/json_fields.hpp"
#include "dist/failure.hpp"
#include "mpi/world.hpp"
#include "scratch_folder.hpp"
#include "unit/pipeline/tiny_runs.hpp"

namespace ddls::test::pretrained_test {
namespace {

namespace fs = std::filesystem;

config::Config with_a_given_generator() {
  config::Config config = tiny("given");
  config.train.steps = config::TrainConfig().steps;
  config.train.batch = config::TrainConfig().batch;
  config.data.points = 1200;
  config.model.architecture = "pretrained";
  config.model.generator = (fs::path(DDLS_TEST_DATA) / "gaussian_ratio.pt2").string();
  config.model.ratio_widths = {16};
  return config;
}

pipeline::Run opened_with(const config::Config& config, const fs::path& folder) {
  return pipeline::open_run(config, {.out = folder}, world());
}

TEST(PretrainedRun, fits_a_ratio_and_ends_with_a_report) {
  const ScratchFolder scratch;
  const config::Config config = with_a_given_generator();
  auto run = opened_with(config, scratch / "run");
  EXPECT_EQ(run.config.model.ratio_architecture, "mlp");
  EXPECT_FALSE(pipeline::run_pipeline(run).empty());
  const Json report = read_json_object(scratch / "run/report.json");
  EXPECT_TRUE(report["energies"].contains("ratio"));
  EXPECT_EQ(report["methods"].size(), 2U);
  EXPECT_FALSE(fs::exists(scratch / "run/checkpoints/step-00000006"));
  EXPECT_TRUE(fs::exists(scratch / "run/checkpoints/ratio-00000004"));
  EXPECT_TRUE(read_json_object(scratch / "run/run.json")["generator"].contains("sha256"));

  // The stages of a run folder that is there, by its own configuration.
  auto again = pipeline::open_run(pipeline::read_config((scratch / "run/config.yaml").string(), {}),
                                  {.out = scratch / "again"}, world());
  pipeline::train_stage(again);
  pipeline::sample_stage(again, pipeline::load_target(again, ""));
  EXPECT_TRUE(at::equal(samples_of(scratch / "run", "ddls"), samples_of(scratch / "again", "ddls")));
}

TEST(PretrainedRun, its_own_discriminator_needs_no_phase_at_all) {
  const ScratchFolder scratch;
  config::Config config = with_a_given_generator();
  config.train.ratio.steps = 0;
  config.sample.methods = {"generator", "mala"};
  config.sample.allow_bad_energy = true;  // it was made for other data
  auto run = opened_with(config, scratch / "run");
  pipeline::run_pipeline(run);
  EXPECT_FALSE(fs::exists(scratch / "run/checkpoints"));
  EXPECT_TRUE(read_json_object(scratch / "run/report.json")["energies"].contains("discriminator"));
  pipeline::sample_stage(run, pipeline::load_target(run, ""));

  config.train.calibration.method = "platt";
  config.train.calibration.held_out = 200;
  auto calibrated = opened_with(config, scratch / "calibrated");
  pipeline::run_pipeline(calibrated);
  EXPECT_TRUE(fs::exists(scratch / "calibrated/checkpoints/calibrated-00000000"));
  config.train.calibration.method = "head";
  const Thrown head = thrown_by([&] { opened_with(config, scratch / "head"); });
  EXPECT_EQ(head.code, Exit::config);
  EXPECT_TRUE(contains(head.message, "a head needs the features of a network of ours")) << head.message;
}

TEST(PretrainedRun, another_file_is_noticed) {
  const ScratchFolder scratch;
  config::Config config = with_a_given_generator();
  fs::copy_file(config.model.generator, scratch / "moved.pt2");
  auto run = opened_with(config, scratch / "run");
  pipeline::train_stage(run);
  config.model.generator = (scratch / "moved.pt2").string();  // the same, elsewhere
  auto moved = opened_with(config, scratch / "run");
  pipeline::train_stage(moved);
  pipeline::load_target(moved, "");
  train::Checkpoint checkpoint = train::read_checkpoint(scratch / "run/checkpoints/ratio-00000004");
  checkpoint.tensors["generator"]["generator_sha256"][0] = 'x';
  train::write_checkpoint(scratch / "run/checkpoints/ratio-00000004", checkpoint);
  const Thrown other = thrown_by([&] { pipeline::load_target(moved, ""); });
  EXPECT_EQ(other.code, Exit::config);
  EXPECT_TRUE(contains(other.message, "fitted to another generator")) << other.message;
}

TEST(PretrainedRun, data_of_another_shape_are_refused) {
  const ScratchFolder scratch;
  config::Config config = with_a_given_generator();
  config.data = tiny_images(scratch / "data").data;
  const Thrown thrown = thrown_by([&] { opened_with(config, scratch / "run"); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(contains(thrown.message, "it makes samples [2], but those of")) << thrown.message;
  EXPECT_FALSE(fs::exists(scratch / "run/checkpoints"));
}

}  // namespace
}  // namespace ddls::test::pretrained_test
