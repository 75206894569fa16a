"""RT-1. Importing this package registers it with transformers' AutoConfig and AutoModel."""

from transformers import AutoConfig, AutoModel

from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.modeling import RT1Model

AutoConfig.register(RT1Config.model_type, RT1Config)
AutoModel.register(RT1Config, RT1Model)
