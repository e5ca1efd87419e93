// Whole training steps of the configured GAN: discriminator and generator updates, reduction, Adam, moving average.
#include "base/files.hpp"
#include "bench/bench.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "tensor/tf32.hpp"
#include "train/gan_trainer.hpp"

namespace ddls::bench {

Json bench_training(const config::Config& config, const BenchOptions& options, dist::Communicator& comm) {
  const data::Dataset data = synthetic_data(config, 2 * config.train.batch);
  const fs::path nowhere = fs::temp_directory_path();
  train::RunLog log(nowhere, /*root=*/false, /*tensorboard=*/false);
  const train::TrainContext context{config, data, nowhere, train::Resume::never, log, comm};
  train::GanTrainer trainer(context);

  int64_t step = 0;
  for (; step < options.warmup; ++step) trainer.step(step);
  std::vector<double> rates;
  const double images = static_cast<double>(options.steps * config.train.batch * config.train.discriminator_steps);
  for (int64_t round = 0; round < options.rounds; ++round) {
    const double seconds = seconds_together(comm, [&] {
      for (int64_t i = 0; i < options.steps; ++i) trainer.step(step++);
    });
    rates.push_back(images / seconds);
  }
  return {{"bench", "training"},
          {"model", config.model.architecture},
          {"generator_parameters", models::parameter_count(trainer.generator())},
          {"discriminator_parameters", models::parameter_count(trainer.discriminator())},
          {"batch", config.train.batch},
          {"discriminator_steps", config.train.discriminator_steps},
          {"precision", tensor::precision_on(comm.topology().device, config.train.precision)},
          {"shards", config.train.shards},
          {"ranks", comm.ranks()},
          {"threads", comm.topology().threads},
          {"images_per_second", spread_of(rates)},  // reals seen by the discriminator
          {"peak_resident_mib", peak_resident_mib()}};
}

}  // namespace ddls::bench
